# The hub in one image. `docker build -t artcore .`, then `docker run -p 7860:7860 artcore`; compose.yaml runs two
# of them behind nginx.
FROM python:3.12-slim

# The address of PyTorch's packages for processors alone, as its installation page names it: without it comes torch
# with CUDA, which is gigabytes larger and here of no use.
ARG TORCH_INDEX=""

RUN useradd --create-home --uid 1000 artcore
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt
COPY app.py LICENSE ./
COPY artcore artcore
COPY weights weights
COPY data/examples data/examples
RUN python -m compileall -q artcore && mkdir -p /home/artcore/cache && chown artcore /home/artcore/cache

# Not root: whoever breaks out of the page finds nothing that he may change but two folders.
USER artcore
ENV ARTCORE_CACHE=/home/artcore/cache \
    HF_HOME=/home/artcore/cache/huggingface \
    GRADIO_TEMP_DIR=/tmp/gradio \
    PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/readyz', timeout=4)"]
# Python is the container's first process, so that SIGTERM reaches it and jobs end in order.
ENTRYPOINT ["python", "-m", "artcore", "serve", "--host", "0.0.0.0", "--port", "7860"]
