"""How Dutch sentences begin and end: the verb comes second, first where one asks, and last where another one leads."""

from __future__ import annotations

import re

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

DUTCH = Endings(
    fillers=words_of("eh euh uh uhm hm hmm nou dus ja oké ok hé hallo hoi alsjeblieft alstublieft zeg en dan even"),
    never_last=words_of(
        "en of maar want omdat dat zodat hoewel als terwijl de het een mijn jouw zijn haar onze ons hun uw geen van "
        "voor met bij naar om tegen zonder tussen tijdens sinds vanaf wegens per eh euh uhm elke elk ieder iedere "
        "deze dit welke zeer heel erg nogal plus min keer gedeeld te tot uit-te volgens"
    ),
    particles=words_of("aan op uit in mee toe over af na om door onder boven"),
    with_particles=words_of(
        "doe doet zet zetten maak maakt ga gaat gaan kom komt komen bel belt neem neemt geef geeft sta staat draai "
        "haal haalt lees leest luister kijk kijkt schakel speel laat hou houd zoek hang begin wacht vind waar stuur"
    ),
    links=words_of(
        "ben bent is zijn was waren heb hebt heeft hebben had wil wilt willen moet moeten mag mogen zou zouden zal "
        "zullen kan kun kunt kunnen wordt worden ga gaat gaan"
    ),
    links_need=words_of("ik hij zij ze het we wij men dat dit hier vandaag morgen dan nu naam nummer adres afspraak"),
    open_phrases=phrases_of(
        """kun je, kunt u, kan je, zou je, wil je, kun je me, kun je mij, kunt u me, kunt u mij, zou je me, kun je
        alsjeblieft, ik wil, ik wil graag, ik zou graag, ik zou, ik heb, ik moet, ik zoek, zeg me, geef me, vertel
        me, laat me, herinner me, weet je, weet u, ik denk, ik denk dat, ik geloof, ik bedoel, mijn naam is, ik
        heet, mijn nummer is, het nummer is, de code is, bijvoorbeeld, dat wil zeggen, hoeveel, hoe lang, hoe ver,
        wat voor, wat voor een, een paar, een beetje, niet zeker, hangt ervan af, eerlijk gezegd, is er, zijn er,
        heb je, heeft u, help me, bel, wat is, waar is, wie is, wanneer is, wat kost, hoe heet"""
    ),
    questions=words_of("hoe wat waar waarheen wanneer waarom wie wiens welke welk hoeveel waarmee waarvoor"),
    verb_first=words_of(
        "is zijn ben bent was waren heb heeft hebben had kan kun kunt kunnen mag moet moeten wil wilt willen zal "
        "zou wordt weet ken kent komt gaat rijdt regent werkt doet kost"
    ),
    verb_last=words_of("kan kun kunt kunnen mag moet moeten wil wilt willen zal zou heb heeft hebben ik we wij"),
    last_verb=re.compile(r"(?:[^aeiou]en|aan|oen|ien|^ge\w+[dt]|\wge\w+[dt]|eerd)$"),
    conditions=words_of("als omdat hoewel toen nadat voordat zodra terwijl wanneer zolang sinds"),
    subjects=words_of("ik je jij u hij zij ze het we wij men de mijn"),
    commands=words_of(
        "zeg vertel geef laat toon speel zet maak zoek lees schrijf bel stuur open sluit stop start verwijder "
        "vertaal bereken reken herinner draai doe gooi boek bestel vind help leg noem herhaal noteer voeg schakel"
    ),
    of_something=words_of(
        "hoofdstad temperatuur weer wortel som bevolking hoogte lengte grootte afstand adres telefoonnummer naam "
        "prijs verschil betekenis president baas schrijver"
    ),
    needs=(
        (r"(?:zet|stel|maak) (?:een|de) (?:timer|wekker|alarm)", r"\b(?:op|voor|om|van|over) \S"),
        (r"vertaal\b", r"\b(?:naar|in) \S"),
        (r"herinner (?:me|mij)\b", r"\b(?:aan|eraan|om) \S"),
        (r"(?:deel|vermenigvuldig)\b", r"\b(?:door|met) \S"),
        (r"bel \S+( \S+)?$", r"\bop$"),
        (r"(?:hoeveel|welke?|wat voor een) \S+$", r"$^"),
    ),
    closing=words_of("alsjeblieft alstublieft bedankt vandaag morgen nu"),
    whole=phrases_of(
        """ja, nee, hallo, hoi, dag, doei, dank je, dank je wel, dank u, dank u wel, bedankt, nee dank je, ja graag,
        stop, wacht, hoe gaat het, hoe gaat het met je, hoe laat is het, wie ben je, goedemorgen, goedenavond,
        welterusten, tot ziens, precies, klopt, natuurlijk, laat maar, ga door, nog een keer"""
    ),
    digits=words_of("nul een één twee drie vier vijf zes zeven acht negen"),
    dictated=words_of("nummer code pincode telefoonnummer postcode rekeningnummer cijfers"),
)
