"""How German sentences begin and end: the verb comes second, first where one asks, and last where another one leads."""

from __future__ import annotations

import re

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

GERMAN = Endings(
    fillers=words_of("äh ähm öh hm hmm tja also ja okay ok hey hallo bitte na gut naja nun und dann sag mal"),
    never_last=words_of(
        "und oder aber weil dass damit obwohl sondern denn falls ob wenn als der die den des dem ein eine einen "
        "einem einer eines mein meine meinen meinem meiner dein deine deinen deinem deiner sein seine seinen ihr "
        "ihre ihren ihrem unser unsere unseren kein keine keinen keinem im am vom zum zur beim ins ans von für ohne "
        "gegen bei seit während wegen trotz zwischen über unter neben hinter äh ähm öh jede jeden jeder jedem jedes "
        "diese diesen diesem dieser dieses welche welchen welcher welches irgendein irgendeine sehr ganz ziemlich "
        "besonders sowie beziehungsweise mal minus plus geteilt"
    ),
    particles=words_of("an auf aus in mit zu nach vor um bis durch ab ein los weg her hin"),
    with_particles=words_of(
        "mach mache machst macht schalte schalt schaltest stell stelle dreh drehe komm komme kommst kommt geh gehe "
        "gehst geht ruf rufe rufst fang fange fängst fängt hör höre hörst hört nimm nehme nimmst gib gebe bring "
        "bringe lies lese pass passe schau schaue sieh leg lege zieh ziehe steh stehe stehst lass spiel spiele fahr "
        "fahre fährt fliegt schick schicke wach wache räum räume zeig hole hol trag trage sag wo woher wohin"
    ),
    links=words_of(
        "bin bist ist sind seid war waren habe hab hat haben hatte hatten will wollen möchte möchten muss müssen "
        "soll sollen sollte darf dürfen würde würden werde wird werden kann können könnte brauche brauchen"
    ),
    links_need=words_of("ich er sie es wir man das dies hier heute morgen dann jetzt name nummer adresse termin"),
    open_phrases=phrases_of(
        """kannst du, könntest du, können sie, könnten sie, würdest du, würden sie, kannst du mir, könntest du mir,
        können sie mir, könnten sie mir, kannst du mich, könntest du bitte, kannst du bitte, können sie bitte, ich
        möchte, ich hätte gern, ich hätte gerne, ich würde gern, ich würde gerne, ich brauche, ich suche, ich
        will, sag mir, sage mir, gib mir, zeig mir, zeige mir, erzähl mir, erzähle mir, erinnere mich, erinner
        mich, weißt du, wissen sie, ich glaube, ich denke, ich meine, ich weiß nicht ob, mein name ist, ich heiße,
        meine nummer ist, die nummer ist, der code ist, zum beispiel, das heißt, unter anderem, wie viel, wie
        viele, wie lange, wie weit, wie wäre es, was für, so dass, ein paar, ein bisschen, nicht sicher, kommt
        darauf an, ehrlich gesagt, stell einen, hast du, haben sie, gibt es, ich habe, hilf mir, ruf, wie heißt,
        was ist, wo ist, wer ist, wann ist, was kostet, zwischen, im grunde"""
    ),
    questions=words_of(
        "wie was wo wohin woher wann warum wieso weshalb wer wen wem wessen welche welcher welches welchen womit wofür"
    ),
    verb_first=words_of(
        "ist sind bist war waren hat hast haben hatte gibt kann kannst können könntest könnten darf soll sollte "
        "willst wollen wird wirst werden würde würdest muss musst müssen möchtest weißt kennst kommst geht fährt "
        "regnet macht läuft funktioniert kostet"
    ),
    verb_last=words_of(
        "kann kannst können könntest könnten darf soll sollte willst wollen wird wirst werden würde würdest muss "
        "musst müssen möchtest hast hat haben ich wir"
    ),
    last_verb=re.compile(r"(?:[^aeiou]en|eln|ern|tun|sein|^ge\w+t|\w(?:ge\w+t|iert)|hin|zu)$"),
    conditions=words_of("wenn falls weil obwohl als nachdem bevor sobald solange während da seit"),
    subjects=words_of("ich du er sie es wir ihr man der die das mein meine"),
    commands=words_of(
        "sag sage erzähl erzähle zeig zeige gib spiel spiele stell stelle mach mache such suche lies lese schreib "
        "schreibe ruf rufe schick schicke öffne schließ schließe stopp stoppe starte lösche übersetze berechne "
        "rechne erinnere erinner setz setze dreh drehe schalte schalt wirf würfle buche bestell bestelle finde hilf "
        "erklär erkläre nenn nenne merk merke lass wiederhole notiere füge"
    ),
    of_something=words_of(
        "hauptstadt hauptstädte temperatur wetter wurzel summe quadratwurzel einwohnerzahl bevölkerung höhe länge "
        "größe entfernung adresse telefonnummer name preis unterschied bedeutung präsident chef autor"
    ),
    needs=(
        (
            r"(?:stell|stelle|setz|setze|mach|mache) (?:mir )?(?:einen|den) (?:timer|wecker|alarm)",
            r"\b(?:auf|für|um|von|in) \S",
        ),
        (r"(?:übersetze|übersetz)\b", r"\b(?:ins|in|auf|nach) \S"),
        (r"(?:erinnere|erinner) mich\b", r"\b(?:an|daran|zu|um) \S|\b(?:heute|morgen)\b.*\b(?:an|zu)\b"),
        (r"(?:teile|multipliziere)\b", r"\b(?:durch|mit) \S"),
        (r"(?:ruf|rufe) \S+( \S+)?$", r"\ban$"),
        (r"(?:wie viele?|welche[rsn]?|was für eine?n?) \S+$", r"$^"),
    ),
    closing=words_of("bitte danke heute morgen jetzt"),
    whole=phrases_of(
        """ja, nein, hallo, hi, tschüss, danke, danke schön, vielen dank, nein danke, ja bitte, ja gerne, stopp,
        stop, halt, warte, wie geht es dir, wie geht's, wie geht's dir, wie spät ist es, wer bist du, gute nacht,
        guten morgen, guten tag, guten abend, auf wiedersehen, alles klar, genau, richtig, na klar, egal, weiter,
        noch einmal, noch mal"""
    ),
    digits=words_of("null eins zwo zwei drei vier fünf sechs sieben acht neun"),
    dictated=words_of("nummer code pin telefonnummer handynummer postleitzahl kontonummer ziffern geheimzahl"),
)
