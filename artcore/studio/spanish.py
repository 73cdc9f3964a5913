"""What the page says, in Spanish: {English: Spanish}, with {slots} of the same names on both sides.

How an English text breaks its lines makes no difference. A text of several paragraphs is looked up paragraph by
paragraph. What is the same in both languages is listed in SAME. tests/test_words.py finds what is missing here.
"""

from __future__ import annotations

SAME = (
    "Artcore", "English", "Español", "Monet", "Van Gogh", "Cézanne", "Ukiyo-e", "Arte Moderno (Art Nouveau)",
    "PNG", "JPEG", "WebP", "TIFF", "Gatys et al. 2016", "ArtEncoder", "L-BFGS", "Adam", "Gamma", "No",
    "gram", "wasserstein", "lbfgs", "adam", "encoder", "vgg19", "Udnie", "Motocross", "×2", "×3", "×4", "–",
)  # fmt: skip

HUB = {
    "Your photo painted, coloured, enlarged. Small nets, trained from scratch, on two ordinary processor cores.": (
        "Tu foto pintada, coloreada, ampliada. Redes pequeñas, entrenadas desde cero, en dos núcleos de procesador"
        " corrientes."
    ),
    "Code: MIT. Nets: {licences}.": "Código: MIT. Redes: {licences}.",
    "research use": "uso de investigación",
    "none stated": "sin licencia indicada",
    "The licence of each net": "La licencia de cada red",
    "Pictures are deleted after about {hours} hours, and are sent nowhere else.": (
        "Las imágenes se borran al cabo de unas {hours} horas, y no se envían a ningún otro sitio."
    ),
    "Artcore {tab}": "Artcore {tab}",
    "Your photo becomes a painting, in a fraction of a second.": (
        "Tu foto se convierte en un cuadro, en una fracción de segundo."
    ),
    "Any photo in the manner of any painting, while you watch.": (
        "Cualquier foto a la manera de cualquier cuadro, mientras miras."
    ),
    "A grey photo gets its colours, others with every seed.": (
        "Una foto gris recibe sus colores, otros con cada semilla."
    ),
    "A small picture becomes four times as large.": "Una imagen pequeña se hace cuatro veces más grande.",
    "A picture coloured, painted and enlarged in one go.": "Una imagen coloreada, pintada y ampliada de una vez.",
    "Duplicate Space": "Duplicar el Space",
    "Language": "Idioma",
    "Painter": "Pintor",
    "Style": "Estilo",
    "Colour": "Color",
    "Upscale": "Ampliar",
    "Chain": "Cadena",
    "Your painting will hang here.": "Tu cuadro se colgará aquí.",
    "Your picture will hang here.": "Tu imagen se colgará aquí.",
    "Your picture will hang here, larger.": "Tu imagen se colgará aquí, más grande.",
    "Your colours will hang here.": "Tus colores se colgarán aquí.",
}

# What several tabs say.
SHARED = {
    "Your photo": "Tu foto",
    "Your picture": "Tu imagen",
    "Your pictures": "Tus imágenes",
    "Photo": "Foto",
    "Picture": "Imagen",
    "Model": "Modelo",
    "Strength": "Intensidad",
    "Seed": "Semilla",
    "Format": "Formato",
    "More": "Más",
    "Stop": "Parar",
    "Stopped.": "Parado.",
    "Working …": "Trabajando…",
    "Yes": "Sí",
    "Nobody": "Nadie",
    "Look at": "Ver",
    "Or begin with one of these": "O empieza con una de estas",
    "Choose a photo first": "Elige antes una foto",
    "Choose a picture first": "Elige antes una imagen",
    "Brush over the photo": "Pinta sobre la foto",
    "Brush over the picture": "Pinta sobre la imagen",
    "Photo and painting": "Foto y cuadro",
    "Keep EXIF and colour profile": "Conservar EXIF y perfil de color",
    "Keep metadata": "Conservar metadatos",
    "Download": "Descargar",
    "Writing the file …": "Escribiendo el archivo…",
    "Making the whole picture for the file …": "Haciendo la imagen entera para el archivo…",
    "Making the whole picture for the file, {percent} % …": "Haciendo la imagen entera para el archivo, {percent} %…",
    "Send the result to another tab": "Enviar el resultado a otra pestaña",
    "Send to …": "Enviar a…",
    "Send to {tab}": "Enviar a {tab}",
    "{name} was sent to {tab}": "{name} se ha enviado a {tab}",
    "under 0.1 s": "menos de 0.1 s",
    "Fence lighthouse": "Faro tras la valla",
    "Mountain stream": "Arroyo de montaña",
    "Rocky lighthouse": "Faro en las rocas",
    "Two parrots": "Dos loros",
    "Window flowers": "Flores en la ventana",
    "Girl with a pearl earring": "La joven de la perla",
    "Great wave": "La gran ola",
    "Impression sunrise": "Impresión, sol naciente",
    "Irises": "Lirios",
    "Job cigarettes": "Cigarrillos Job",
    "Portrait delaunay": "Retrato de Delaunay",
    "Starry night": "La noche estrellada",
    "The kiss": "El beso",
    "Water lilies 1919": "Nenúfares, 1919",
    "Wheat field with cypresses": "Trigal con cipreses",
    "Impressionism": "Impresionismo",
    "Pointillism": "Puntillismo",
    "Baroque": "Barroco",
    "Cubism": "Cubismo",
    "Photos of all kinds": "Fotos de todo tipo",
    "Flowers": "Flores",
    "Fidelity": "Fidelidad",
    "Texture": "Textura",
}

RECIPES = {
    "Drop a result here to return to its settings": "Suelta aquí un resultado para volver a sus ajustes",
    "Recipe in the file": "Receta en el archivo",
    "The settings of this result are back.": "Los ajustes de este resultado han vuelto.",
    "It was made of the picture that is here.": "Se hizo con la imagen que está aquí.",
    "The picture that it was made of is not in the file: choose it.": (
        "La imagen con la que se hizo no está en el archivo: elígela."
    ),
    "Not in the file, or not to be had here: {what}.": "No está en el archivo, o no lo hay aquí: {what}.",
    "masks": "las máscaras",
    "paintings": "los cuadros",
    "hints": "las pistas de color",
    "noise": "el ruido",
    "the picture to start from": "la imagen de partida",
    "the weights of {name}": "los pesos de {name}",
    "its net": "su red",
    "further painters": "más pintores",
    "further steps": "más pasos",
    "a second {name} with settings of its own": "un segundo {name} con ajustes propios",
    "what only the tabs of its steps can set": "lo que solo se ajusta en las pestañas de sus pasos",
    "that it ended at step {step} of {steps}": "que acabó en el paso {step} de {steps}",
}

PAINTER = {
    "No painter is there yet: train and publish one, or restore weights/ from a release.": (
        "Aún no hay ningún pintor: entrena y publica uno, o recupera weights/ de una versión publicada."
    ),
    "Direction": "Dirección",
    "Photo to painting": "De foto a cuadro",
    "Painting to photo": "De cuadro a foto",
    "A painting": "Un cuadro",
    "The photo to be painted": "La foto que se va a pintar",
    "Movements and painters": "Movimientos y pintores",
    "Choose a photo, choose a style, paint.": "Elige una foto, elige un estilo y pinta.",
    "More: light, colours, strokes, mix, regions": "Más: luz, colores, pinceladas, mezcla, zonas",
    "Keep light": "Conservar la luz",
    "Keep colours": "Conservar los colores",
    "Keep fine detail": "Conservar el detalle fino",
    "Brush": "Pincel",
    "Stroke size": "Tamaño de pincelada",
    "Brush (seed)": "Pincel (semilla)",
    "Another brush each time": "Otro pincel cada vez",
    "Method": "Método",
    "The best there is": "El mejor que haya",
    "CycleGAN: learned from paintings, both ways": "CycleGAN: aprendido de cuadros, en ambos sentidos",
    "StyleNet: the statistics of brushwork, one way": "StyleNet: la estadística de la pincelada, en un sentido",
    "Mix": "Mezcla",
    "Second painter": "Segundo pintor",
    "Third painter": "Tercer pintor",
    "Share of the mix": "Parte de la mezcla",
    "Regions": "Zonas",
    "Who paints where it is {colour}": "Quién pinta lo {colour}",
    "red": "rojo",
    "blue": "azul",
    "Paint": "Pintar",
    "Make a photo": "Hacer una foto",
    "All styles": "Todos los estilos",
    "Painting": "Cuadro",
    "Paintings": "Cuadros",
    "Mask of a region, {colour}": "Máscara de una zona, {colour}",
    "{size} · takes about {one}, all {count} styles {every}": (
        "{size} · tarda unos {one}; los {count} estilos, {every}"
    ),
    "{label}, {done} of {total} tiles …": "{label}, {done} de {total} teselas…",
    "{done} of {total} styles …": "{done} de {total} estilos…",
    "{size} · brush {seed} · made in {taken}": "{size} · pincel {seed} · hecho en {taken}",
    "**{count} styles** · {told} · choose one to download it": (
        "**{count} estilos** · {told} · elige uno para descargarlo"
    ),
    "### What it can't do It is not an artist. A small net has learned how the paint of one movement or painter lies,"
    " and lays it over your photo: it composes nothing, and treats faces and lettering like everything else, so expect"
    " them to blur. It works at the picture's own size, up to 64 megapixels, and a brush stroke keeps its size in"
    " pixels, so a large photo gets fine strokes unless you ask for larger ones. It was trained on paintings in the"
    " public domain; [the card of this style](cards/{card}) says on which, and how well it does. Your photo stays on"
    " this server, for a few hours at most.": (
        "### Lo que no sabe hacer\nNo es un artista. Una red pequeña ha aprendido cómo se posa la pintura de un"
        " movimiento o de un pintor, y la extiende sobre tu foto: no compone nada, y trata las caras y las letras como"
        " todo lo demás, así que cuenta con que se emborronen. Trabaja al tamaño de la propia imagen, hasta 64"
        " megapíxeles, y la pincelada mantiene su tamaño en píxeles, así que una foto grande recibe pinceladas finas si"
        " no las pides mayores. Se ha entrenado con cuadros de dominio público; [la ficha de este estilo](cards/{card})"
        " dice con cuáles y qué tal lo hace. Tu foto no sale de este servidor y se borra a las pocas horas."
    ),
}

STYLE = {
    "Photos to begin with": "Fotos para empezar",
    "The painting": "El cuadro",
    "The painting whose manner it gets": "El cuadro cuya manera adopta",
    "Paintings to begin with": "Cuadros para empezar",
    "Content": "Contenido",
    "Smoothness": "Suavidad",
    "Preset": "Ajuste",
    "Ours": "El nuestro",
    "Quick look": "Vistazo rápido",
    "Document 002": "Documento 002",
    "Block 5 of Gatys and of document 002 is r4_2 in our net of four blocks; VGG-19 has their own.": (
        "El bloque 5 de Gatys y del documento 002 es r4_2 en nuestra red de cuatro bloques; VGG-19 tiene el suyo."
    ),
    "Best in … seconds (0: as set)": "Lo mejor en … s (0: lo fijado)",
    "Go on": "Seguir",
    "More paintings, and where each goes": "Más cuadros, y dónde va cada uno",
    "Second painting": "Segundo cuadro",
    "Third painting": "Tercer cuadro",
    "The second painting": "El segundo cuadro",
    "The third painting": "El tercer cuadro",
    "The small paintings above are hung as": "Los cuadros pequeños de arriba se cuelgan como",
    "first": "primero",
    "second": "segundo",
    "third": "tercero",
    "Brush the second painting's places in blue and the third's in ochre; the rest is the first's. Nothing brushed: all"
    " of them are mixed everywhere. One painting alone goes where you brush, and the rest stays the photo.": (
        "Pinta en azul los sitios del segundo cuadro y en ocre los del tercero; el resto es del primero. Si no pintas"
        " nada, se mezclan todos en todas partes. Un solo cuadro va donde pintes, y el resto queda como en la foto."
    ),
    "Where each painting goes": "Dónde va cada cuadro",
    "All options": "Todas las opciones",
    "### Weights": "### Pesos",
    "### Size and steps": "### Tamaño y pasos",
    "### The painting": "### El cuadro",
    "### Colour": "### Color",
    "### What is compared": "### Qué se compara",
    "### Optimiser": "### Optimizador",
    "Optimiser": "Optimizador",
    "Size": "Tamaño",
    "Pixels of the longer side (or of the height) of the result.": (
        "Píxeles del lado mayor (o de la altura) del resultado."
    ),
    "Size is of": "El tamaño es de",
    "Which side `size` measures.": "Qué lado mide el tamaño.",
    "long": "lado mayor",
    "height": "altura",
    "Steps": "Pasos",
    "Evaluations of the net, over all scales.": "Evaluaciones de la red, entre todas las escalas.",
    "Scales": "Escalas",
    "From coarse to fine, each twice the one before; 0 chooses, 1 is the full size alone.": (
        "De gruesa a fina, cada una el doble de la anterior; 0 elige, 1 es solo el tamaño completo."
    ),
    "Start from": "Empezar desde",
    "The first picture, unless one is given.": "La primera imagen, si no se da otra.",
    "photo": "foto",
    "noise": "ruido",
    "Chooses the noise and the samples.": "Decide el ruido y las muestras.",
    "Deadline (s)": "Límite (s)",
    "Seconds after which the run ends with the best so far; 0: none.": (
        "Segundos tras los que termina con lo mejor hasta entonces; 0: sin límite."
    ),
    "Preview every": "Vista previa cada",
    "Steps between two previews.": "Pasos entre dos vistas previas.",
    "Style scale": "Escala del estilo",
    "Size of the painting beside the photo: more is a larger brush.": (
        "Tamaño del cuadro respecto a la foto: a más, pincel más grande."
    ),
    "Fit": "Encaje",
    "Crop the painting to the photo's aspect, take it whole (fit), or tile it.": (
        "Recortar el cuadro a la forma de la foto, tomarlo entero o repetirlo."
    ),
    "crop": "recortar",
    "fit": "entero",
    "tile": "repetir",
    "Weight of each painting": "Peso de cada cuadro",
    "Numbers such as 1, 0.5; empty: all count alike.": "Números como 1, 0.5; vacío: todos cuentan igual.",
    "Feather": "Difuminado",
    "Blur of the masks' edges, as a share of the shorter side.": (
        "Desenfoque del borde de las máscaras, como parte del lado menor."
    ),
    "Colour match": "Ajuste de color",
    "Pull towards the painting's mean colour and covariance.": ("Acerca al color medio y la covarianza del cuadro."),
    "Keep the photo's colours": "Colores de la foto",
    "0: the painting's colours, 1: the photo's.": "0: los colores del cuadro, 1: los de la foto.",
    "Style loss": "Pérdida de estilo",
    "What of the painting's features is matched. The last two draw samples anew at each step: take Adam with them.": (
        "Qué se iguala de los rasgos del cuadro. Las dos últimas sortean muestras en cada paso: úsalas con Adam."
    ),
    "moments": "momentos",
    "mixed": "mixta",
    "Style layers": "Capas de estilo",
    "Layer=weight, with commas between.": "Capa=peso, separadas por comas.",
    "Content layers": "Capas de contenido",
    "Power of smoothness": "Potencia de la suavidad",
    "1: squares of differences; document 002 took 1.25.": ("1: cuadrados de diferencias; el documento 002 usaba 1.25."),
    "Weights are": "Los pesos son",
    "Shares of the gradient, or the raw factors of the papers.": (
        "Partes del gradiente, o los factores tal cual de los artículos."
    ),
    "shares": "partes",
    "raw": "tal cual",
    "The net that looks": "La red que mira",
    "VGG-19 (548 MB, fetched at its first use)": "VGG-19 (548 MB, se descarga al usarla por primera vez)",
    "L-BFGS or Adam.": "L-BFGS o Adam.",
    "Learning rate": "Tasa de aprendizaje",
    "Adam's step, in units of black to white.": "El paso de Adam, en unidades de negro a blanco.",
    "History": "Historia",
    "Pairs of pictures that L-BFGS remembers.": "Pares de imágenes que recuerda L-BFGS.",
    "Rounds": "Rondas",
    "Steps after which L-BFGS forgets its history; 0: never.": (
        "Pasos tras los que L-BFGS olvida su historia; 0: nunca."
    ),
    "Start from this picture (in place of the photo or noise)": (
        "Empezar desde esta imagen (en lugar de la foto o de ruido)"
    ),
    "The picture to start from": "La imagen desde la que se empieza",
    "Go on from a resume file": "Seguir desde un archivo de reanudación",
    "Resume file": "Archivo de reanudación",
    "Go on from this file": "Seguir desde este archivo",
    "Of this run": "De esta pasada",
    "A sheet of this run": "Una hoja de esta pasada",
    "Choose a photo and a painting, then paint.": "Elige una foto y un cuadro, y luego pinta.",
    "Contact sheet": "Hoja de contactos",
    "Film": "Película",
    "Loss curves": "Curvas de pérdida",
    "Progress": "Progreso",
    "Stop after step": "Parar tras el paso",
    "Painting {number}": "Cuadro {number}",
    "Mask of painting {number}": "Máscara del cuadro {number}",
    "Options": "Opciones",
    "Features": "Rasgos",
    "Start": "Comienzo",
    "Painting ends at its deadline, after {seconds}, as far as it has come of {steps} steps": (
        "Pintar termina en su límite, a los {seconds}, hasta donde haya llegado de los {steps} pasos"
    ),
    "Painting takes about {seconds}: size and steps are chosen for {budget} s": (
        "Pintar tarda unos {seconds}: tamaño y pasos se eligen para {budget} s"
    ),
    "Painting takes about {seconds}: {steps} steps, {size} pixels high": (
        "Pintar tarda unos {seconds}: {steps} pasos, {size} píxeles de alto"
    ),
    "Painting takes about {seconds}: {steps} steps, {size} pixels on the longer side": (
        "Pintar tarda unos {seconds}: {steps} pasos, {size} píxeles en el lado mayor"
    ),
    "Painting …": "Pintando…",
    "Stopping …": "Parando…",
    "**{size}** · {steps} steps · painted in {taken}": "**{size}** · {steps} pasos · pintado en {taken}",
    "**Stopped** at step {step} of {steps} · {size} · Go on takes it up again; its resume file does so later, or"
    " elsewhere.": (
        "**Parado** en el paso {step} de {steps} · {size} · Seguir lo retoma; su archivo de reanudación lo hace más"
        " tarde, o en otra parte."
    ),
    "Step {step} of {steps} · {size} · about {left} to go": "Paso {step} de {steps} · {size} · faltan unos {left}",
    "### How it works No net was trained on your painting: the pixels of the picture are moved, step by step, until a"
    " net that sees both finds the drawing of your photo and the brushwork of the painting. So any painting will do,"
    " and it takes seconds rather than a blink. The painting is cropped to the photo's shape, never squashed. Stop"
    " whenever you like what you see: the picture stays, and its resume file goes on from there to the last bit, here,"
    " in the shell (`python -m artcore style --resume FILE OUT`) or from code. Photos and paintings stay on this server"
    " for a few hours at most.": (
        "### Cómo funciona\nNinguna red se ha entrenado con tu cuadro: los píxeles de la imagen se mueven, paso a paso,"
        " hasta que una red que ve ambos encuentra en ella el dibujo de tu foto y la pincelada del cuadro. Por eso vale"
        " cualquier cuadro, y tarda segundos en vez de un instante. El cuadro se recorta a la forma de la foto, nunca"
        " se deforma. Para cuando te guste lo que ves: la imagen se queda, y su archivo de reanudación sigue desde ahí"
        " hasta el último bit, aquí, en la consola (`python -m artcore style --resume ARCHIVO SALIDA`) o desde código."
        " Las fotos y los cuadros no salen de este servidor y se borran a las pocas horas."
    ),
    "**What it can't do.** It moves paint, and knows nothing of what is painted: faces and lettering are painted over"
    " like everything else, and a painter's composition does not come along. Where photo and painting have little in"
    " common, the strokes turn into blotches, or much of the drawing is lost: more *Content* or another painting"
    " helps.": (
        "**Lo que no sabe hacer.** Mueve pintura y no sabe nada de lo pintado: las caras y las letras se pintan como"
        " todo lo demás, y la composición del pintor no viene con ella. Si la foto y el cuadro tienen poco en común,"
        " las pinceladas se vuelven manchas o se pierde buena parte del dibujo: ayuda más *Contenido*, u otro cuadro."
    ),
}

COLOUR = {
    "No coloriser is there yet: train and publish one, or restore weights/ from a release.": (
        "Aún no hay ningún colorista: entrena y publica uno, o recupera weights/ de una versión publicada."
    ),
    "Your pictures, one to ten": "Tus imágenes, de una a diez",
    "Random": "Al azar",
    "More: adjust, hints, blend, noise": "Más: ajustes, pistas, fusión, ruido",
    "Adjust": "Ajustes",
    "Saturation": "Saturación",
    "Warmth": "Calidez",
    "Black point": "Punto negro",
    "White point": "Punto blanco",
    "Histogram": "Histograma",
    "Histogram of the coloured picture": "Histograma de la imagen coloreada",
    "Reset": "Restablecer",
    "Hints": "Pistas",
    "Brush a colour where you know it, or want it; the colouring follows it there. Strokes are gone once you look at"
    " another of your pictures.": (
        "Pinta un color donde lo sepas, o donde lo quieras; el coloreado lo seguirá ahí. Los trazos se pierden al mirar"
        " otra de tus imágenes."
    ),
    "Blend": "Fusión",
    "Between this colouring and another of the ten seeds; no net has to run.": (
        "Entre este coloreado y otro de las diez semillas; no hace falta ninguna red."
    ),
    "Blend with": "Fundir con",
    "Its share": "Su parte",
    "Noise": "Ruido",
    "A seed stands for noise, and noise decides. Brush regions in red or blue for seeds of their own, or choose the"
    " plane of noise that decides most: draw it in greys, or give a grey picture for all. The rest, and what you leave"
    " free, stays the seed's.": (
        "Una semilla representa ruido, y el ruido decide. Pinta zonas en rojo o azul para darles semillas propias, o"
        " elige el plano de ruido que más decide: dibújalo en grises, o da una imagen gris para todo. El resto, y lo"
        " que dejes libre, sigue siendo de la semilla."
    ),
    "Seed where it is {colour}": "Semilla de lo {colour}",
    "Noise: a grey picture of the same shape": "Ruido: una imagen gris de la misma forma",
    "The grey picture that is the noise": "La imagen gris que es el ruido",
    "Colourise": "Colorear",
    "Ten seeds": "Diez semillas",
    "Grey and coloured": "Gris y coloreada",
    "Colourings": "Coloreados",
    "Where it guesses": "Dónde adivina",
    "A map, lighter where the seeds differ": "Un mapa, más claro donde las semillas difieren",
    "Choose a grey picture, or a colour photo, and colourise it.": (
        "Elige una imagen gris, o una foto en color, y coloréala."
    ),
    "Beside grey": "Junto al gris",
    "Beside the original": "Junto al original",
    "All pictures": "Todas las imágenes",
    "Region of another seed, {colour}": "Zona de otra semilla, {colour}",
    "Coloured picture": "Imagen coloreada",
    "How many": "Cuántas",
    "Map": "Mapa",
    "{size} · takes about {one}, ten seeds {many}": "{size} · tarda unos {one}; diez semillas, {many}",
    "{count} pictures · takes about {one}, ten seeds {many}": (
        "{count} imágenes · tarda unos {one}; diez semillas, {many}"
    ),
    "16 bits: TIFF keeps them": "16 bits: TIFF los conserva",
    "Seed {seed}": "Semilla {seed}",
    "seed {seed}": "semilla {seed}",
    "{seed} and noise by hand": "{seed} y ruido a mano",
    "seed {seed} · kept": "semilla {seed} · guardada",
    "not yet colourised": "aún sin colorear",
    "**{name}** · seed {seed} is kept: the next ten will have it too": (
        "**{name}** · la semilla {seed} se guarda: las diez siguientes también la tendrán"
    ),
    "{done} of {total} pictures …": "{done} de {total} imágenes…",
    "{count} pictures": "{count} imágenes",
    "**{what}** · seed {seed} · coloured in {taken}": "**{what}** · semilla {seed} · coloreado en {taken}",
    "{done} of {total} seeds …": "{done} de {total} semillas…",
    "**{name}** · ten seeds in {taken}, most different first · choose one to keep it": (
        "**{name}** · diez semillas en {taken}, las más distintas primero · elige una para guardarla"
    ),
    "Beside the original: PSNR {psnr} dB{alike} · CIEDE2000 {ciede} · colourfulness {now} of {then}": (
        "Junto al original: PSNR {psnr} dB{alike} · CIEDE2000 {ciede} · colorido {now} de {then}"
    ),
    "### These are guesses Grey holds no trace of the colours that were there. A small net has learned which colours"
    " such things often have, and every seed lets it guess anew: the dress may have been red. What it is sure of comes"
    " out alike with all seeds; *Ten seeds* shows the rest, and where it lies. Only colour is added: light and shade"
    " stay those of your picture, at its own size. Colours that a picture already has are taken away first, so that you"
    " can see how far the guess is from them. [The card of this model](cards/{card}) says what it was trained on, and"
    " how well it does. Your pictures stay on this server, for a few hours at most.": (
        "### Son conjeturas\nEn el gris no queda rastro de los colores que hubo. Una red pequeña ha aprendido qué"
        " colores suelen tener esas cosas, y con cada semilla vuelve a adivinar: el vestido pudo ser rojo. Lo que tiene"
        " claro sale igual con todas las semillas; *Diez semillas* enseña lo demás, y dónde está. Solo se añade color:"
        " la luz y la sombra siguen siendo las de tu imagen, a su propio tamaño. Los colores que una imagen ya tiene se"
        " quitan antes, para que veas cuánto se aleja de ellos la conjetura. [La ficha de este modelo](cards/{card})"
        " dice con qué se ha entrenado y qué tal lo hace. Tus imágenes no salen de este servidor y se borran a las"
        " pocas horas."
    ),
}

UPSCALE = {
    "Your picture: click a place to see it in detail": "Tu imagen: pulsa en un sitio para verlo en detalle",
    "The picture to be enlarged": "La imagen que se va a ampliar",
    "Enlarge": "Ampliar",
    "Blend: fidelity → texture": "Mezcla: fidelidad → textura",
    "Reducing it gives your picture back": "Al reducirla se recupera tu imagen",
    "Ensemble": "Conjunto",
    "Eight looks, turned and mirrored: truer, eight times as long": "Ocho miradas, giradas y reflejadas: más fiel, "
    "tarda ocho veces más",
    "As the model is made for": "Como esté pensado el modelo",
    "Bicubic and enlarged": "Bicúbica y ampliada",
    "Bicubic, 1 : 1": "Bicúbica, 1 : 1",
    "Enlarged, 1 : 1": "Ampliada, 1 : 1",
    "The detail, bicubic, 1 : 1": "El detalle, bicúbica, 1 : 1",
    "The detail, enlarged, 1 : 1": "El detalle, ampliada, 1 : 1",
    "Choose a picture, enlarge it.": "Elige una imagen y amplíala.",
    "Scale": "Escala",
    "Consistent": "Coherente",
    "Enlarged": "Ampliada",
    "What is known of it": "Lo que se sabe de ella",
    "{size} to {large} · takes about {seconds}": "De {size} a {large} · tarda unos {seconds}",
    "**{label}** · {size} · made in {taken} · reduced again, {exactly}": (
        "**{label}** · {size} · hecho en {taken} · reducida de nuevo, {exactly}"
    ),
    "shown is the part around the detail": "se ve la parte que rodea al detalle",
    "{error} dB from your picture": "a {error} dB de tu imagen",
    "exactly your picture": "exactamente tu imagen",
    "### What it can and can't know Four times the side is sixteen times the pixels, and fifteen of them were never"
    " there.": (
        "### Lo que puede saber y lo que no\nCuatro veces el lado son dieciséis veces los píxeles, y quince de ellos"
        " nunca estuvieron ahí."
    ),
    "*Fidelity* puts down what is most likely, which is careful and a little soft.": (
        "*Fidelidad* pone lo más probable, que es prudente y algo blando."
    ),
    "*Texture* invents the grain, hair and leaves that such a place often has, crisp and not to be taken for"
    " evidence.": (
        "*Textura* inventa el grano, el pelo y las hojas que suele haber en sitios así: nítidos, pero no prueban nada."
    ),
    "*Photo* is for pictures that JPEG or a phone has worn, and gives them back less exactly.": (
        "*Foto* es para imágenes que el JPEG o un móvil han desgastado, y las devuelve con menos exactitud."
    ),
    "Unless you ask otherwise, the result gives your picture back when it is reduced again; the decibels say how"
    " exactly, and above 50 nobody sees a difference. [The card of this model](cards/{card}) says what it was trained"
    " on, and how well it does. Your pictures stay on this server, for a few hours at most.": (
        "Si no pides otra cosa, al reducir el resultado se recupera tu imagen; los decibelios dicen con qué exactitud,"
        " y por encima de 50 nadie ve la diferencia. [La ficha de este modelo](cards/{card}) dice con qué se ha"
        " entrenado y qué tal lo hace. Tus imágenes no salen de este servidor y se borran a las pocas horas."
    ),
}

CHAIN = {
    "The picture to begin with": "La imagen con la que se empieza",
    "First": "Primero",
    "Then": "Después",
    "At last": "Al final",
    "Colours by": "Colores de",
    "Seed of colours": "Semilla del color",
    "Painted by": "Pintada por",
    "Enlarged by": "Ampliada por",
    "Run": "Empezar",
    "Before and after": "Antes y después",
    "Progress of the chain": "Progreso de la cadena",
    "Choose a picture and what is to be done to it.": "Elige una imagen y qué hacer con ella.",
    "Made": "Hecho",
    "{name}: step {step} of {steps} …": "{name}: paso {step} de {steps}…",
    "**{label}** · {size} · made in {taken}": "**{label}** · {size} · hecho en {taken}",
    "reduced again, exactly what was enlarged": "reducida de nuevo, exactamente lo que se amplió",
    "reduced again, {error} dB from what was enlarged": "reducida de nuevo, a {error} dB de lo que se amplió",
    "### One picture, several hands An old photo gets colours, is painted, and comes out four times as large: each step"
    " takes what the one before it has made, at its own size, and one bar shows how far all of them are. Paint before"
    " you enlarge for fine strokes that become large, and enlarge first for fine strokes that stay fine, which takes"
    " sixteen times as long. The other tabs have more to set for each step, and can send each other their results. Your"
    " pictures stay on this server, for a few hours at most.": (
        "### Una imagen, varias manos\nUna foto antigua recibe colores, se pinta y sale cuatro veces más grande: cada"
        " paso toma lo que ha hecho el anterior, a su tamaño, y una sola barra enseña cuánto llevan entre todos. Pinta"
        " antes de ampliar si quieres pinceladas finas que se hacen grandes, y amplía antes si las quieres finas hasta"
        " el final, lo que tarda dieciséis veces más. Las otras pestañas dejan ajustar más de cada paso, y pueden"
        " enviarse sus resultados. Tus imágenes no salen de este servidor y se borran a las pocas horas."
    ),
    "**What it can't do.** No step is surer here than on its own tab: colours are guesses, faces and lettering are"
    " painted over, and what enlarging adds is likely, not known. And none mends what the one before it got wrong.": (
        "**Lo que no sabe hacer.** Ningún paso es más seguro aquí que en su pestaña: los colores son conjeturas, las"
        " caras y las letras se pintan como todo lo demás, y lo que añade la ampliación es probable, no sabido. Y"
        " ninguno arregla lo que el anterior hizo mal."
    ),
}

SEVERAL = {
    "Several pictures, all of them by these settings": "Varias imágenes, todas con estos ajustes",
    "Up to {count} pictures": "Hasta {count} imágenes",
    "Make all": "Hacer todas",
    "Download all": "Descargar todas",
    "Download all ({size})": "Descargar todas ({size})",
    "What became of each picture": "Qué ha sido de cada imagen",
    "waiting": "en espera",
    "making …": "en marcha…",
    "making, {percent} % …": "en marcha, {percent} %…",
    "not made": "sin hacer",
    "{count} of {total} pictures can be read": "Se pueden leer {count} de {total} imágenes",
    "**{made} of {total} pictures** in {taken}": "**{made} de {total} imágenes** en {taken}",
    "stopped": "parado",
    # Of the endpoint, as the page of the API shows it.
    "Pictures": "Imágenes",
    "Task": "Tarea",
    "Further pictures": "Otras imágenes",
    "All results": "Todos los resultados",
    "What became of each": "Qué ha sido de cada una",
}

# Gradio's own words, by its names for them: it would say "usted".
GRADIO = {
    "upload_text.drop_image": "Suelta aquí una imagen",
    "upload_text.drop_file": "Suelta aquí tus archivos",
    "upload_text.drop_gallery": "Suelta aquí tus imágenes",
    "upload_text.click_to_upload": "pulsa para elegir",
    "upload_text.paste_clipboard": "Pegar desde el portapapeles",
    "blocks.waiting_for_inputs": "Aún se están cargando archivos: espera un momento e inténtalo otra vez.",
    "blocks.connection_can_break": (
        "En el móvil, la conexión puede cortarse si sales de esta pestaña o el aparato se duerme, y pierdes tu turno."
    ),
}

PAGES = (HUB, SHARED, RECIPES, PAINTER, STYLE, COLOUR, UPSCALE, CHAIN, SEVERAL)
PAGE = dict(zip(SAME, SAME, strict=True)) | {english: spanish for page in PAGES for english, spanish in page.items()}
