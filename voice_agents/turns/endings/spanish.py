"""How Spanish sentences begin and end; who does it is mostly not said, so a verb alone may be a sentence."""

from __future__ import annotations

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

SPANISH = Endings(
    fillers=words_of("eh em este mmm hm pues bueno vale ok okay oye hola a ver sí por favor y entonces mira"),
    never_last=words_of(
        "y e o u pero sino porque que aunque si como pues mientras cuando donde el la los las lo un una unos unas "
        "de del a al en con sin por para sobre entre hacia hasta desde según contra durante tras bajo ante mi mis "
        "tu tus su sus nuestro nuestra nuestros nuestras cada algún alguna algunos algunas ningún ninguna este esta "
        "estos estas ese esa esos esas aquel aquella cuyo cuya muy tan demasiado más menos se me te nos le les em "
        "qué cuál cuáles dividido multiplicado eh"
    ),
    links=words_of(
        "soy eres es somos son era eran estoy estás está estamos están estaba tengo tienes tiene tenemos tienen he "
        "has ha hemos han había quiero quieres quiere queremos quieren quisiera puedo puedes puede podemos pueden "
        "podría podrías debo debes debe debería voy vas va vamos van hay necesito necesitas gustaría"
    ),
    links_need=words_of("yo tú él ella usted nosotros ellos no me te le nos nombre número dirección cita código que"),
    open_phrases=phrases_of(
        """puedes, podrías, puede, podría, me puedes, me podrías, puedes decirme, podrías decirme, quiero, quisiera,
        me gustaría, necesito, busco, dime, cuéntame, dame, muéstrame, enséñame, recuérdame, ponme, llama, sabes,
        sabe, creo, creo que, pienso que, no sé si, mi nombre es, me llamo, mi número es, el número es, el código
        es, por ejemplo, es decir, o sea, cuánto, cuánta, cuántos, cuántas, un poco, un par, no estoy seguro,
        depende, la verdad, tengo que, hay que, a causa, al lado, cerca, lejos, en lugar, en vez, antes, después,
        a partir, dónde está, quién es, qué es, cuál es, cuándo es, qué tipo, voy a, ayúdame, además, tal vez,
        quizás, la mayoría"""
    ),
    questions=words_of("qué quién quiénes cuál cuáles cuándo cuánto cuánta cuántos cuántas dónde adónde cómo por-qué"),
    verb_first=words_of(
        "es son está están hay tiene tienes tienen puedes puede podrías podría puedo sabes sabe conoces quieres "
        "quiere va vas has ha fue funciona cuesta llueve"
    ),
    conditions=words_of("si cuando aunque porque como mientras después antes"),
    subjects=words_of("yo tú él ella usted nosotros ellos ellas el la los las mi mis"),
    commands=words_of(
        "dime di cuéntame cuenta dame da muéstrame muestra enséñame pon ponme busca lee escribe llama envía manda "
        "abre cierra para inicia borra elimina traduce calcula recuérdame recuerda gira apaga enciende reserva pide "
        "encuentra ayúdame explica explícame nombra repite añade agrega anota cancela tira lanza reproduce haz"
    ),
    of_something=words_of(
        "capital temperatura raíz suma población altura longitud tamaño distancia dirección precio diferencia "
        "nombre significado presidente presidenta autor director"
    ),
    needs=(
        (
            r"(?:pon|ponme|programa|crea) (?:un|una|el|la) (?:temporizador|alarma|cronómetro)",
            r"\b(?:de|para|a|en|por) \S",
        ),
        (r"(?:traduce|tradúceme)\b", r"\b(?:al|a|en) \S"),
        (r"recuérdame\b", r"\b(?:que|de|la|el|los|las|mi|\w+[aei]r)\b"),
        (r"(?:divide|multiplica)\b", r"\b(?:entre|por) \S"),
        (r"(?:cuánt[oa]s?|cuáles|qué tipo de) \S+$", r"$^"),
    ),
    closing=words_of("favor gracias hoy mañana ahora"),
    whole=phrases_of(
        """sí, no, hola, adiós, gracias, muchas gracias, no gracias, sí por favor, por favor, para, basta, espera,
        cómo estás, cómo está, qué tal, qué hora es, quién eres, buenas noches, buenos días, buenas tardes, hasta
        luego, exacto, claro, claro que sí, da igual, sigue, otra vez, de acuerdo, eso es todo, nada más"""
    ),
    digits=words_of("cero uno dos tres cuatro cinco seis siete ocho nueve"),
    dictated=words_of("número código pin teléfono postal cuenta dígitos clave"),
)
