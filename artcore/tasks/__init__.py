"""Tasks: a picture in, a picture out; stateless, so that two visitors can never mix."""
