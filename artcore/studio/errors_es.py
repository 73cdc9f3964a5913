"""What went wrong, in Spanish: {English: Spanish}, as artcore.studio.spanish has what the page says.

An entry for every sentence that a visitor of the page may meet, with a {slot} where the code puts a value. Those that
only a program or whoever runs the server can cause stay English.
"""

from __future__ import annotations

PICTURES = {
    "{name} is damaged or cut short: save or download it again, or choose another picture.": (
        "{name} está dañado o incompleto: guárdalo o descárgalo otra vez, o elige otra imagen."
    ),
    "{name} is empty: choose another picture.": "{name} está vacío: elige otra imagen.",
    "{name} is not a picture that can be read: save it as {formats}.": (
        "{name} no es una imagen que se pueda leer: guárdala como {formats}."
    ),
    "{name} has no pixels: choose another picture.": "{name} no tiene píxeles: elige otra imagen.",
    "{name} has {width} x {height} pixels, more than the limit of {most}: make it smaller, or raise"
    " ARTCORE_MAX_PIXELS.": (
        "{name} tiene {width} x {height} píxeles, más que el límite de {most}: hazla más pequeña."
    ),
    "{name} does not fit into memory: make it smaller and try again.": (
        "{name} no cabe en la memoria: hazla más pequeña e inténtalo otra vez."
    ),
    "{name} unpacks to more pixels than is safe: make it smaller and try again.": (
        "{name} ocupa al abrirse más píxeles de lo seguro: hazla más pequeña e inténtalo otra vez."
    ),
    "{name} does not exist: check the path.": "{name} no existe: comprueba la ruta.",
    "{name} can't be opened: check that you may read it.": "{name} no se puede abrir: comprueba que puedes leerlo.",
    "The net gave NaN instead of colours: run it again with ARTCORE_DTYPE=fp32.": (
        "La red ha dado NaN en lugar de colores: repítelo con ARTCORE_DTYPE=fp32."
    ),
    "Pictures can't be written as {format}: choose PNG, JPEG, WEBP, TIFF or BMP.": (
        "No se pueden escribir imágenes como {format}: elige PNG, JPEG, WEBP, TIFF o BMP."
    ),
    "{format} holds at most {most} pixels a side, and this has {width} x {height}: choose PNG or TIFF.": (
        "{format} admite como mucho {most} píxeles por lado, y esta tiene {width} x {height}: elige PNG o TIFF."
    ),
    "There is no memory to write this picture as {format}: make it smaller.": (
        "No hay memoria para escribir esta imagen como {format}: hazla más pequeña."
    ),
    "This picture can't be written as {format}: choose another format.": (
        "Esta imagen no se puede escribir como {format}: elige otro formato."
    ),
    "{path} can't be written ({why}): check that the folder exists, is yours and has room.": (
        "{path} no se puede escribir ({why}): comprueba que la carpeta existe, es tuya y tiene sitio."
    ),
    "A picture of {width} x {height} needs about {need} GB and {free} GB is free; close other programs, or use a"
    " machine with more memory.": (
        "Una imagen de {width} x {height} necesita unos {need} GB y hay {free} GB libres; cierra otros programas, o usa"
        " una máquina con más memoria."
    ),
    "A picture of {width} x {height} needs about {need} GB and {free} GB is free; use at most {most_width} x"
    " {most_height}.": (
        "Una imagen de {width} x {height} necesita unos {need} GB y hay {free} GB libres; usa como mucho {most_width} x"
        " {most_height}."
    ),
    "A picture of {width} x {height} is compared with one of {wide} x {high} pixel by pixel: give both in one size.": (
        "Una imagen de {width} x {height} se compara con una de {wide} x {high} píxel a píxel: da las dos del mismo"
        " tamaño."
    ),
}

# What every tab may have to say.
RECIPES = {
    "There is no recipe in this file: choose one that was made here, with its recipe.": (
        "No hay receta en este archivo: elige uno que se haya hecho aquí, con su receta."
    ),
    "This was made by {tab}, which is not here: open a hub that has it.": (
        "Esto lo hizo {tab}, que aquí no está: abre un sitio que lo tenga."
    ),
    "The recipe in this file is damaged ({what}): choose the file as it was made.": (
        "La receta de este archivo está dañada ({what}): elige el archivo tal como se hizo."
    ),
    "This recipe was written by a newer artcore: update artcore to read it.": (
        "Esta receta la escribió un artcore más nuevo: actualiza artcore para leerla."
    ),
    "The file can't be read: choose a picture's file that you may read.": (
        "El archivo no se puede leer: elige el archivo de una imagen que puedas leer."
    ),
    "ran is {value}: give the steps of each scale, up to {most}.": (
        "ran es {value}: da los pasos de cada escala, hasta {most}."
    ),
}

PAGE = {
    "That did not work": "No ha funcionado",
    "No photo": "No hay foto",
    "No picture": "No hay imagen",
    "No painting": "No hay cuadro",
    "No result": "No hay resultado",
    "No file": "No hay archivo",
    "Too many": "Demasiadas",
    "There is no photo yet: choose one, or one of the examples.": (
        "Aún no hay foto: elige una, o uno de los ejemplos."
    ),
    "There is no picture yet: choose one, or one of the examples.": (
        "Aún no hay imagen: elige una, o uno de los ejemplos."
    ),
    "There is no painting yet: choose one, or one of the examples.": (
        "Aún no hay cuadro: elige uno, o uno de los ejemplos."
    ),
    "There is no result yet: make one first.": "Aún no hay resultado: haz uno antes.",
    "There is no resume file yet: choose the one that a stopped run gave you.": (
        "Aún no hay archivo de reanudación: elige el que te dio una pasada parada."
    ),
    "{name} is larger than 50 MB: save it as a JPEG, or make it smaller.": (
        "{name} pasa de 50 MB: guárdalo como JPEG, o hazlo más pequeño."
    ),
    "There is not enough memory for this picture just now: try a smaller one.": (
        "Ahora mismo no hay memoria para esta imagen: prueba con una más pequeña."
    ),
    "The disk of this server is full: try again later, or tell whoever runs it.": (
        "El disco de este servidor está lleno: inténtalo más tarde, o avisa a quien lo lleva."
    ),
    "The picture is no base64: encode the bytes of its file.": (
        "La imagen no está en base64: codifica los bytes de su archivo."
    ),
    "{option} of {task} is no single value: give a number or a text.": (
        "{option} de {task} no es un solo valor: da un número o un texto."
    ),
    "Something went wrong here (error {number}): try again, and report that number if it stays.": (
        "Algo ha fallado aquí (error {number}): inténtalo otra vez, y comunica ese número si sigue."
    ),
    "This server is being stopped: try again in a minute.": (
        "Este servidor se está parando: inténtalo dentro de un minuto."
    ),
    "There are no pictures yet: choose up to {most}.": "Todavía no hay imágenes: elige hasta {most}.",
    "No pictures": "Sin imágenes",
    "Together they have {count} megapixels: {most} at most, so choose fewer.": (
        "Juntas tienen {count} megapíxeles: como mucho {most}, así que elige menos."
    ),
    "Too large": "Demasiado grande",
    "There is no room on this server's disk for this result: take home the others, try later.": (
        "No queda sitio en el disco de este servidor para este resultado: llévate los demás y prueba más tarde."
    ),
    "{task} has no {name}: choose from {known}.": "{task} no tiene {name}: elige entre {known}.",
    "{name} is {value}, which is none of the further files: {there}.": (
        "{name} es {value}, que no está entre los otros archivos: {there}."
    ),
    "These are {count} pictures: choose {most} at most.": "Son {count} imágenes: elige {most} como mucho.",
    "This picture has no colours yet: colourise it first.": "Esta imagen aún no tiene colores: coloréala antes.",
    "A painter is chosen for {name}, but nothing is marked: mark it, or choose nobody.": (
        "Hay un pintor elegido para {name}, pero nada marcado: márcalo, o no elijas a nadie."
    ),
    "Nobody paints what is marked for {name}: choose a painter, or erase it.": (
        "Nadie pinta lo marcado para {name}: elige un pintor, o bórralo."
    ),
    "The {ordinal} painting has no place: brush one, or take that painting away.": (
        "El cuadro {ordinal} no tiene sitio: píntale uno, o quita ese cuadro."
    ),
    "There is a place for a {ordinal} painting, and no such painting: add it, or erase.": (
        "Hay sitio para un cuadro {ordinal}, y ese cuadro no está: añádelo, o borra el sitio."
    ),
    "There is no task {name}: choose from {names}.": "No hay ninguna tarea {name}: elige entre {names}.",
    "{name} has no {option}: choose from {names}.": "{name} no tiene {option}: elige entre {names}.",
    "There are no steps: choose one at least.": "No hay pasos: elige al menos uno.",
    'steps is no list: write for example [{"task": "paint", "style": "monet"}, {"task": "upscale"}].': (
        'steps no es una lista: escribe por ejemplo [{"task": "paint", "style": "monet"}, {"task": "upscale"}].'
    ),
    "count is {count}: give a whole number from 2 to {most}.": "count es {count}: da un número entero de 2 a {most}.",
    "seed is {seed} and count {count}, but no seed is above {most}: give a smaller seed or count.": (
        "seed es {seed} y count {count}, pero ninguna semilla pasa de {most}: da un seed o un count menor."
    ),
    "texture is {value}: give a number from 0 to 1.": "texture es {value}: da un número de 0 a 1.",
    "texture is blended into fidelity alone, and the model is {name}: choose fidelity, or 0 of texture.": (
        "texture solo se mezcla con fidelity, y el modelo es {name}: elige fidelity, o 0 de texture."
    ),
    "consistent is {value}: choose from {names}.": "consistent es {value}: elige entre {names}.",
    "ensemble is {value}; give True or False.": "ensemble es {value}; da True o False.",
    "format is {value}: choose from {names}.": "format es {value}: elige entre {names}.",
    "features is {value}: choose from {names}.": "features es {value}: elige entre {names}.",
    "stop_after is {value}: give a whole number of steps, or 0 to go on to the end.": (
        "stop_after es {value}: da un número entero de pasos, o 0 para seguir hasta el final."
    ),
    'options is no JSON ({why}): write for example {"size": 400}.': (
        'options no es JSON ({why}): escribe por ejemplo {"size": 400}.'
    ),
    'options is no object: write for example {"size": 400}.': (
        'options no es un objeto: escribe por ejemplo {"size": 400}.'
    ),
}

TASKS = {
    "{name} is {value}; give a number from {low} to {high}.": "{name} es {value}; da un número de {low} a {high}.",
    "seed is {value}; give a whole number.": "seed es {value}; da un número entero.",
    "seed is {value}; give a whole number from 0 to {most}.": "seed es {value}; da un número entero de 0 a {most}.",
    "direction is {value}; give {direction}, which is what {name} paints.": (
        "direction es {value}; da {direction}, que es lo que pinta {name}."
    ),
    "The mask of region {number} is {width} x {height} and the picture {wide} x {high}; give a mask of the same"
    " aspect.": (
        "La máscara de la zona {number} es de {width} x {height} y la imagen de {wide} x {high}; da una máscara de las"
        " mismas proporciones."
    ),
    "The mask of region {number} is black all over; paint white where its painter goes.": (
        "La máscara de la zona {number} es toda negra; pinta de blanco donde va su pintor."
    ),
    "The mask of region {number} is black all over; paint white where its seed goes.": (
        "La máscara de la zona {number} es toda negra; pinta de blanco donde va su semilla."
    ),
    "The {what} is {width} x {height} and the picture {wide} x {high}; give a {again} of the same aspect.": (
        "{what} mide {width} x {height} y la imagen {wide} x {high}; da {again} de las mismas proporciones."
    ),
    "share is {value}; give a number from 0 (the first) to 1 (the second).": (
        "share es {value}; da un número de 0 (el primero) a 1 (el segundo)."
    ),
    "The net gave no numbers for colours: run it again with ARTCORE_DTYPE=fp32.": (
        "La red no ha dado números para los colores: repítelo con ARTCORE_DTYPE=fp32."
    ),
    "These colourings are of different pictures; give those of one picture and one model.": (
        "Estos coloreados son de imágenes distintas; da los de una misma imagen y un mismo modelo."
    ),
    "A chain has no steps; give one at least.": "Una cadena no tiene pasos; da al menos uno.",
    "Step {number} would get {width} x {height} pixels, more than the limit of {most}: enlarge less, or at the end.": (
        "El paso {number} recibiría {width} x {height} píxeles, más que el límite de {most}: amplía menos, o al final."
    ),
    "Step {number} can't be called so ({why}); give it a picture's keywords.": (
        "El paso {number} no se puede llamar así ({why}); dale las opciones de una imagen."
    ),
    "Enlarged {scale} times, this picture would have {width} x {height} pixels, more than the limit of {limit}: use a"
    " smaller scale, or a picture of at most {most}.": (
        "Ampliada {scale} veces, esta imagen tendría {width} x {height} píxeles, más que el límite de {limit}: usa una"
        " escala menor, o una imagen de {most} como mucho."
    ),
    "scale is {value}; give 2, 3 or 4.": "scale es {value}; da 2, 3 o 4.",
    "strength is {value}; give a number from 0 (bicubic) to 1.": (
        "strength es {value}; da un número de 0 (bicúbica) a 1."
    ),
    "No painting is given: give at least one.": "No se ha dado ningún cuadro: da al menos uno.",
    "There is no layer {name}: choose from {names}.": "No hay ninguna capa {name}: elige entre {names}.",
    "{name} names no layer: write for example {example}.": (
        "{name} no nombra ninguna capa: escribe por ejemplo {example}."
    ),
    "There is no preset {name}: choose from {names}.": "No hay ningún ajuste {name}: elige entre {names}.",
    "There is no option {name}: choose from {names}.": "No hay ninguna opción {name}: elige entre {names}.",
    "style_weights has {count} numbers for {paintings} paintings: give one for each.": (
        "style_weights tiene {count} números para {paintings} cuadros: da uno para cada uno."
    ),
    "{name} is {value}: give a number greater than 0 and at most {most}, or none.": (
        "{name} es {value}: da un número mayor que 0 y de {most} como mucho, o ninguno."
    ),
    "{name} is {value}: choose from {names}.": "{name} es {value}: elige entre {names}.",
    "{name} is {value}: give text.": "{name} es {value}: da texto.",
    "{name} is {value}: give {wanted}.": "{name} es {value}: da {wanted}.",
    "a number from {low} to {high}": "un número de {low} a {high}",
    "a whole number from {low} to {high}": "un número entero de {low} a {high}",
    "a number greater than {low} and at most {high}": "un número mayor que {low} y de {high} como mucho",
    "a whole number greater than {low} and at most {high}": "un número entero mayor que {low} y de {high} como mucho",
    "a number of {low} or more and at most {high}": "un número de {low} o más y de {high} como mucho",
    "a whole number of {low} or more and at most {high}": "un número entero de {low} o más y de {high} como mucho",
    "The result would be {width} x {height} px: crop the photo, or choose a larger size.": (
        "El resultado sería de {width} x {height} px: recorta la foto, o elige un tamaño mayor."
    ),
    "The result would be {width} x {height} px: crop the photo, or choose a smaller size.": (
        "El resultado sería de {width} x {height} px: recorta la foto, o elige un tamaño menor."
    ),
    "The painting is {width} x {height} px: give one of at least {least} px a side.": (
        "El cuadro es de {width} x {height} px: da uno de al menos {least} px por lado."
    ),
    "The GPU is lent for too short a time for this: ask for fewer steps, or a smaller size.": (
        "La GPU se presta por demasiado poco tiempo para esto: pide menos pasos, o un tamaño menor."
    ),
    "There are {masks} masks for {paintings} paintings: give one for each.": (
        "Hay {masks} máscaras para {paintings} cuadros: da una para cada uno."
    ),
    "Mask {number} is {width} x {height} px, another aspect than the picture's {wide} x {high}: give one of the photo's"
    " aspect.": (
        "La máscara {number} es de {width} x {height} px, de otras proporciones que la imagen, de {wide} x {high}: da"
        " una con las de la foto."
    ),
    "The painting is {width} x {height} px once it is cropped to the photo's shape: give a larger one, or take it whole"
    " (fit).": (
        "El cuadro se queda en {width} x {height} px al recortarlo a la forma de la foto: da uno mayor, o tómalo entero"
        " (fit)."
    ),
    "Mask {number} is dark everywhere: make it white where its painting is to count.": (
        "La máscara {number} es oscura en todas partes: ponla blanca donde deba contar su cuadro."
    ),
    "The run used {net}, not {other}: give it that net.": "La pasada usó {net}, no {other}: dale esa red.",
    "The run used a net of other weights: go on with those that it was begun with.": (
        "La pasada usó una red con otros pesos: sigue con los que se empezó."
    ),
    "The resume file is damaged, or of another version ({version}): give one that this version wrote.": (
        "El archivo de reanudación está dañado, o es de otra versión ({version}): da uno escrito por esta."
    ),
    "This is no resume file of a style run: give one that a style run wrote.": (
        "Esto no es un archivo de reanudación: da uno escrito por una transferencia de estilo."
    ),
    "The resume file can't be read ({why}): give one that a style run wrote.": (
        "El archivo de reanudación no se puede leer ({why}): da uno escrito por una transferencia de estilo."
    ),
}

WEIGHTS = {
    "There is no {task} {name}; choose from {names}.": "No hay {task} {name}; elige entre {names}.",
    "There is no method {name}; choose from auto, {names}.": "No hay ningún método {name}; elige entre auto, {names}.",
    "There is no style {name}; choose from {names}.": "No hay ningún estilo {name}; elige entre {names}.",
    "A mix with {name} is more than whole; give shares from 0 to 1 that come to 1 at most.": (
        "Una mezcla con {name} pasa de la unidad; da partes de 0 a 1 que sumen 1 como mucho."
    ),
    "{name} is no {kind}, as {other} is; mix {kinds}s only.": (
        "{name} no es {kind}, como lo es {other}; mezcla solo {kinds}."
    ),
    "{name} is a net of another shape than {other}; mix {kinds}s of one method and size.": (
        "{name} es una red de otra forma que {other}; mezcla {kinds} de un mismo método y tamaño."
    ),
    "Of {name} and {other} one is held to its input and one mends it; mix {kinds}s that do alike.": (
        "De {name} y {other}, una se atiene a su entrada y otra la repara; mezcla {kinds} que hagan lo mismo."
    ),
    "The weights of {name} are missing; restore weights/{folder} from a release.": (
        "Faltan los pesos de {name}; recupera weights/{folder} de una versión publicada."
    ),
    "The weights of {name} are not those of the catalog (sha256 differs); restore weights/{folder} from a release, or"
    " load the folder by its path.": (
        "Los pesos de {name} no son los del catálogo (el sha256 es otro); recupera weights/{folder} de una versión"
        " publicada, o carga la carpeta por su ruta."
    ),
}

# Gradio's own.
GRADIO = {
    "Value: {value} is not in the list of choices: {choices}": "El valor {value} no está entre las opciones: {choices}",
    "Value {value} is greater than maximum value {most}.": "El valor {value} es mayor que el máximo, {most}.",
    "Value {value} is less than minimum value {least}.": "El valor {value} es menor que el mínimo, {least}.",
}

ERRORS = PICTURES | RECIPES | PAGE | TASKS | WEIGHTS | GRADIO
