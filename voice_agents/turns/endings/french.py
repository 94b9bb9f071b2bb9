"""How French sentences begin and end; with elision a word keeps what stands before its apostrophe ("d'un")."""

from __future__ import annotations

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

FRENCH = Endings(
    fillers=words_of(
        "euh heu hum hein ben bah alors donc oui ok okay d'accord bon bonjour salut dis s'il te vous plaît et"
    ),
    never_last=words_of(
        "et ou mais donc car que qu' qu'il qu'elle qu'on qu'ils parce puisque lorsque quoique si comme le la les l' "
        "un une des du de d' d'un d'une au aux à en dans pour avec sans sous sur chez entre vers par contre depuis "
        "pendant dès malgré selon parmi mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet "
        "cette ces je j' tu il on ils elles ne n' se s' me m' te t' qui dont très trop plutôt assez chaque quelque "
        "quelques plusieurs aucun aucune euh heu est-ce qu'est-ce plus moins fois divisé multiplié afin ainsi quel "
        "quelle quels quelles lequel"
    ),
    links=words_of(
        "suis es est sommes êtes sont étais était étaient ai as a avons avez ont j'ai c'est c'était n'est n'ai "
        "avais avait veux veut voulons voulez veulent peux peut pouvons pouvez peuvent dois doit devons devez "
        "doivent vais va allons allez vont voudrais voudrait pourrais pourrait pourriez devrais devrait faut "
        "faudrait viens vient j'étais j'aimerais aimerais sera serait"
    ),
    open_phrases=phrases_of(
        """est-ce que, est ce que, qu'est-ce que, qu'est ce que, est-ce que tu peux, est-ce que vous pouvez, peux-tu,
        tu peux, tu peux me, vous pouvez, vous pouvez me, pouvez-vous, pourrais-tu, pourriez-vous, je voudrais,
        j'aimerais, je veux, j'ai besoin, je cherche, dis-moi, dis moi, dites-moi, dites moi, donne-moi, donne
        moi, raconte-moi, raconte moi, montre-moi, montre moi, rappelle-moi, rappelle moi, je pense, je crois, je
        trouve, je ne sais pas si, mon nom est, je m'appelle, mon numéro est, le numéro est, le code est, c'est
        le, par exemple, c'est-à-dire, combien, il y a combien, un peu, pas sûr, ça dépend, au fait, à propos, en
        fait, afin de, à cause, à côté, près, loin, au lieu, y a-t-il, il y a, as-tu, avez-vous, quelle est, quel
        est, où est, qui est, c'est quoi, plus ou moins, la plupart, beaucoup de, aide-moi à"""
    ),
    questions=words_of(
        "quel quelle quels quelles qui que qu'est-ce quoi où quand comment pourquoi combien lequel laquelle c'est-quoi"
    ),
    verb_first=words_of(
        "est-ce est as-tu avez-vous peux-tu pouvez-vous pourrais-tu pourriez-vous sais-tu savez-vous connais-tu "
        "connaissez-vous y-a-t-il veux-tu voulez-vous vas-tu allez-vous tu vous"
    ),
    conditions=words_of("si quand lorsque puisque comme parce dès après avant"),
    subjects=words_of("je j'ai j'arrive tu il elle on nous vous ils elles le la les mon ma mes ce ça que qu'il"),
    commands=words_of(
        "dis dis-moi donne donne-moi raconte raconte-moi montre montre-moi joue mets lance cherche lis écris "
        "appelle envoie ouvre ferme arrête démarre supprime efface traduis calcule rappelle rappelle-moi tourne "
        "éteins allume réserve commande trouve trouve-moi aide aide-moi explique explique-moi nomme répète ajoute "
        "note annule dites-moi donnez-moi expliquez-moi montrez-moi"
    ),
    of_something=words_of(
        "capitale température racine somme population hauteur longueur taille distance adresse prix différence nom "
        "signification président auteur directeur"
    ),
    needs=(
        (
            r"(?:mets|lance|règle|programme) (?:moi )?(?:un|une|le|la) (?:minuteur|minuterie|réveil|alarme)",
            r"\b(?:pour|à|de|dans) \S",
        ),
        (r"(?:traduis|traduisez)\b", r"\b(?:en|vers) \S"),
        (r"rappelle[- ]moi\b", r"\b(?:de|d'\S+|que|qu'\S+)\b \S*"),
        (r"(?:divise|multiplie)\b", r"\bpar \S"),
        (r"(?:combien d\S*|quels?|quelles?) \S+$", r"$^"),
    ),
    closing=words_of("plaît merci aujourd'hui demain maintenant"),
    whole=phrases_of(
        """oui, non, bonjour, salut, bonsoir, au revoir, merci, merci beaucoup, non merci, oui merci, s'il te plaît,
        s'il vous plaît, stop, arrête, attends, attendez, ça va, comment ça va, comment vas-tu, comment
        allez-vous, quelle heure est-il, quelle heure il est, il est quelle heure, qui es-tu, bonne nuit, bonne
        journée, exactement, bien sûr, d'accord, laisse tomber, continue, encore une fois, c'est tout, c'est bon"""
    ),
    digits=words_of("zéro un deux trois quatre cinq six sept huit neuf"),
    dictated=words_of("numéro code pin téléphone postal chiffres compte"),
)
