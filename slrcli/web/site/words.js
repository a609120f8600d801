// What the page says, by language. A language more is a row more; the tests see to it that none lacks a word.

export const WORDS = {
  en: {
    name: "English", language: "Language", picture: "Picture", drop: "Start the camera, or drop a video here.",
    camera: "Start camera", video: "Open a video", stop: "Stop", mirror: "Mirror the picture",
    transcript: "Transcript", time: "Time", gloss: "Gloss", confidence: "Confidence", nothing: "No glosses yet.",
    copy: "Copy", clear: "Clear", landmarks: "Landmarks (.npy)", about: "About this page",
    private: "Camera and video are processed on this device. Nothing is sent anywhere.",
    loading: "Loading the recogniser …", ready: "Ready.", working: "Reading the video …", copied: "Copied.",
    live: "{fps} frames/s; {dropped} dropped", done: "{frames} frames in {seconds} s ({fps} frames/s)",
    nobody: "Nobody is seen.", denied: "The camera cannot be used: {reason}", unreadable: "This video cannot be played.",
    failed: "The recogniser cannot be loaded: {reason}", broken: "Recognition has failed: {reason}",
  },
  de: {
    name: "Deutsch", language: "Sprache", picture: "Bild", drop: "Kamera starten oder ein Video hier ablegen.",
    camera: "Kamera starten", video: "Video öffnen", stop: "Anhalten", mirror: "Bild spiegeln",
    transcript: "Mitschrift", time: "Zeit", gloss: "Glosse", confidence: "Sicherheit", nothing: "Noch keine Glossen.",
    copy: "Kopieren", clear: "Leeren", landmarks: "Landmarken (.npy)", about: "Über diese Seite",
    private: "Kamera und Video werden auf diesem Gerät verarbeitet. Nichts wird verschickt.",
    loading: "Der Erkenner wird geladen …", ready: "Bereit.", working: "Das Video wird gelesen …", copied: "Kopiert.",
    live: "{fps} Bilder/s; {dropped} ausgelassen", done: "{frames} Bilder in {seconds} s ({fps} Bilder/s)",
    nobody: "Niemand ist zu sehen.", denied: "Die Kamera ist nicht nutzbar: {reason}",
    unreadable: "Dieses Video kann nicht abgespielt werden.",
    failed: "Der Erkenner kann nicht geladen werden: {reason}", broken: "Die Erkennung ist gescheitert: {reason}",
  },
  fr: {
    name: "Français", language: "Langue", picture: "Image", drop: "Démarrez la caméra ou déposez une vidéo ici.",
    camera: "Démarrer la caméra", video: "Ouvrir une vidéo", stop: "Arrêter", mirror: "Image en miroir",
    transcript: "Transcription", time: "Temps", gloss: "Glose", confidence: "Confiance",
    nothing: "Pas encore de gloses.",
    copy: "Copier", clear: "Effacer", landmarks: "Points (.npy)", about: "À propos de cette page",
    private: "La caméra et la vidéo sont traitées sur cet appareil. Rien n'est envoyé.",
    loading: "Chargement du modèle …", ready: "Prêt.", working: "Lecture de la vidéo …", copied: "Copié.",
    live: "{fps} images/s ; {dropped} omises", done: "{frames} images en {seconds} s ({fps} images/s)",
    nobody: "Personne n'est visible.", denied: "La caméra n'est pas disponible : {reason}",
    unreadable: "Cette vidéo ne peut pas être lue.",
    failed: "Le modèle ne peut pas être chargé : {reason}", broken: "La reconnaissance a échoué : {reason}",
  },
  es: {
    name: "Español", language: "Idioma", picture: "Imagen", drop: "Inicie la cámara o suelte un vídeo aquí.",
    camera: "Iniciar la cámara", video: "Abrir un vídeo", stop: "Detener", mirror: "Imagen en espejo",
    transcript: "Transcripción", time: "Tiempo", gloss: "Glosa", confidence: "Confianza",
    nothing: "Todavía no hay glosas.",
    copy: "Copiar", clear: "Vaciar", landmarks: "Puntos (.npy)", about: "Acerca de esta página",
    private: "La cámara y el vídeo se procesan en este dispositivo. No se envía nada.",
    loading: "Cargando el modelo …", ready: "Listo.", working: "Leyendo el vídeo …", copied: "Copiado.",
    live: "{fps} imágenes/s; {dropped} omitidas", done: "{frames} imágenes en {seconds} s ({fps} imágenes/s)",
    nobody: "No se ve a nadie.", denied: "No se puede usar la cámara: {reason}",
    unreadable: "Este vídeo no se puede reproducir.",
    failed: "No se puede cargar el modelo: {reason}", broken: "El reconocimiento ha fallado: {reason}",
  },
};

/** A word of a language, with {names} filled in. */
export function say(language, word, values = {}) {
  return WORDS[language][word].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The first language that a reader prefers and the page has; English otherwise. */
export function preferred(languages) {
  const known = languages.map((tag) => tag.toLowerCase().split("-")[0]);
  return known.find((tag) => tag in WORDS) ?? "en";
}
