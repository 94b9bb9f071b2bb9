"""Which language a text is written in, as far as its rules of reading depend on it."""

from __future__ import annotations

import re

ENGLISH = "en"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_FEW = {
    "en": """the and is are was of to in it you that this for with your have will be not can at on as i what they he she
        a an my me we us his her its our their do does did has had am were been would could should might must may shall
        how when where why who which there here then than so but or if because about from by up out off just please
        yes no okay tell give set make get go let want need know think say show read write take put add find call play
        i'm it's don't can't what's that's i'd i'll you're there's let's hello thanks thank some any all one two""",
    "de": """der die das und ist sind nicht ein eine einen sie ich wir es mit auf für von zu den dem im bei auch wird
        du er mir mich dir dich uns euch mein meine dein ihr wie wo wann warum wer welche welcher was bitte danke ja
        nein kann kannst können will möchte muss soll hat habe haben bin bist war wäre würde werden oder aber wenn weil
        dass noch schon mal jetzt heute morgen gestern etwas nichts nach aus über gibt geht mach erzähl sag zeig""",
    "fr": """le la les des est sont et un une vous je nous il elle pour dans avec sur pas du au que qui ce votre plus
        tu me te se mon ma mes ton ta son sa c'est j'ai qu'est l'heure d'un n'est où quand comment pourquoi quel quelle
        oui non merci s'il plaît suis es ai as avez avons peux peut veux voudrais mais ou si parce y en de à été fait
        faut va vais dis quoi bonjour demain hier très bien aussi ne dans chez""",
    "es": """el la los las es son y un una usted yo para con por en del que no su está muy más como pero hay tiene
        tú me te se mi mis tu nos lo le qué cómo cuándo dónde quién cuál cuánto sí gracias favor puedo puedes puede
        quiero quisiera soy eres estoy estás fue era ser estar tengo tienes había o si porque de a al ya hoy mañana ayer
        hola dime pon haz va voy algo nada bien también""",
    "it": """il lo la gli le è sono e un una che per con di del della non in mi ti si ha come più questo questa
        io tu lui lei noi voi mio mia tuo suo cosa cos'è com'è dove quando perché chi quale quanto sì no grazie favore
        posso puoi può voglio vorrei devo sei siamo ho hai abbiamo era stato o ma se anche a al nel alla da ci ne
        oggi domani ieri ciao dimmi metti fai va vado qualcosa niente bene molto""",
    "pt": """o a os as é são e um uma você para com por em do da que não seu sua está muito mais como mas há tem
        eu tu ele ela nós me te se meu minha no na ao quê quando onde quem qual quanto sim obrigado obrigada favor posso
        pode quero queria gostaria sou és estou foi era ser estar tenho tens havia ou porque de pra já hoje amanhã ontem
        olá diz põe faz vai vou algo nada bem também isso""",
    "nl": """de het een en is zijn niet ik je we van op te met voor dat die er maar ook heeft wordt naar bij
        jij hij zij wij u me mij mijn jouw hoe waar wanneer waarom wie welke wat alsjeblieft alstublieft bedankt ja nee
        kan kun kunt wil moet zal heb hebt hebben ben bent was waren zou worden of als omdat om nog al nu vandaag morgen
        gisteren iets niets uit over gaat doe vertel zeg laat""",
    "pl": "i w na z się nie jest to że do jak ale są dla od po tak co kiedy gdzie kto ile czy mi mnie ja ty proszę",
}
"""Words that texts of a language hold, and sentences that people say; some belong to several."""
_WORDS = {language: frozenset(words.split()) for language, words in _FEW.items()}
_ENOUGH = 2
"""Words that show a language: one may be a name, or belong to several ..."""
_FEW_WORDS = 2
"""... but of so few all count."""
NOT_LATIN = "\u0250"
"""Letters from here on are of other alphabets."""


def language_of(text: str, usually: str = ENGLISH) -> str:
    """A language code, "" for one that is none of those known here; ``usually`` where nothing speaks against it."""
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter >= NOT_LATIN for letter in letters) * 2 > len(letters):
        return ""
    words = [word.lower() for word in _WORD.findall(text)]
    found = {language: [word for word in words if word in known] for language, known in _WORDS.items()}
    counts = {language: len(hits) if max(map(len, hits), default=0) > 1 else 0 for language, hits in found.items()}
    best, second = sorted(counts, key=lambda language: counts[language], reverse=True)[:2]
    enough = counts[best] >= _ENOUGH or len(words) <= _FEW_WORDS
    told = enough and counts[best] > max(counts[second], counts.get(usually, 0))
    return best if told else usually
