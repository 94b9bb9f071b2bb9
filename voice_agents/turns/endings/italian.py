"""How Italian sentences begin and end; who does it is mostly not said, so a verb alone may be a sentence."""

from __future__ import annotations

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

ITALIAN = Endings(
    fillers=words_of("eh ehm uhm mah allora dunque beh sì ok okay senti ciao per favore e poi ecco scusa"),
    never_last=words_of(
        "e ed o oppure ma però perché che anche se come quando dove mentre sebbene siccome affinché il lo la i gli "
        "le l' un uno una un' di del dello della dei degli delle dell' a al allo alla ai agli alle all' da dal "
        "dalla dai dalle dall' in nel nello nella nei nelle nell' con su sul sulla sui sulle per tra fra senza "
        "verso contro durante secondo mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra vostro "
        "vostra ogni qualche alcuni alcune nessun nessuna questo-è quel quella questi queste molto troppo così più "
        "meno mi ti si ci vi ehm quale quali diviso moltiplicato cui d' c' quell' quest'"
    ),
    links=words_of(
        "sono sei è siamo siete era erano ho hai ha abbiamo avete hanno avevo aveva voglio vuoi vuole vogliamo "
        "vorrei vorrebbe posso puoi può possiamo potete possono potrei potresti devo devi deve dobbiamo dovrei sto "
        "stai sta stanno vado vai va c'è"
    ),
    links_need=words_of("io tu lui lei noi voi loro non mi ti ci nome numero indirizzo codice che"),
    open_phrases=phrases_of(
        """puoi, potresti, può, potrebbe, mi puoi, mi potresti, puoi dirmi, potresti dirmi, voglio, vorrei, mi
        piacerebbe, ho bisogno, cerco, dimmi, raccontami, dammi, mostrami, fammi, ricordami, mettimi, chiama, sai,
        sa, credo, credo che, penso che, non so se, il mio nome è, mi chiamo, il mio numero è, il numero è, il
        codice è, per esempio, ad esempio, cioè, quanto, quanta, quanti, quante, un po', un paio, non sono sicuro,
        dipende, a dire il vero, devo, a causa, accanto, vicino, lontano, invece, prima, dopo, a partire, dov'è,
        dove è, chi è, cos'è, cosa è, che cos'è, qual è, quand'è, che tipo, aiutami, forse, magari, la maggior
        parte, sto per, c'è, ci sono, hai"""
    ),
    questions=words_of(
        "che cosa cos'è chi quale quali qual quando quanto quanta quanti quante dove dov'è come com'è perché quand'è"
    ),
    verb_first=words_of(
        "è sono c'è ci hai ha puoi può potresti potrebbe posso sai sa conosci vuoi vuole vai va funziona costa piove"
    ),
    conditions=words_of("se quando anche siccome mentre dopo prima poiché"),
    subjects=words_of("io tu lui lei noi voi loro il la lo i gli le mio mia"),
    commands=words_of(
        "dimmi dì raccontami racconta dammi mostrami mostra fammi fai metti mettimi imposta cerca leggi scrivi "
        "chiama manda invia apri chiudi ferma avvia cancella elimina traduci calcola ricordami ricorda gira spegni "
        "accendi prenota ordina trova aiutami spiega spiegami nomina ripeti aggiungi annota annulla tira lancia "
        "riproduci"
    ),
    of_something=words_of(
        "capitale temperatura radice somma popolazione altezza lunghezza grandezza distanza indirizzo prezzo "
        "differenza nome significato presidente autore direttore"
    ),
    needs=(
        (
            r"(?:imposta|metti|crea|avvia) (?:un|una|il|la) (?:timer|sveglia|allarme)",
            r"\b(?:di|per|alle|a|tra|fra|da) \S",
        ),
        (r"traduci\b", r"\b(?:in|nel|al) \S"),
        (r"ricordami\b", r"\b(?:di|che|il|la|l'\S+) ?\S"),
        (r"(?:dividi|moltiplica)\b", r"\bper \S"),
        (r"(?:quant[aei]|quali|che tipo di) \S+$", r"$^"),
    ),
    closing=words_of("favore grazie oggi domani adesso ora"),
    whole=phrases_of(
        """sì, no, ciao, grazie, grazie mille, no grazie, sì grazie, per favore, ferma, fermati, basta, aspetta, come
        stai, come sta, come va, che ore sono, che ora è, chi sei, buonanotte, buona notte, buongiorno, buonasera,
        arrivederci, esatto, certo, lascia stare, continua, ancora una volta, va bene, d'accordo, è tutto,
        nient'altro"""
    ),
    digits=words_of("zero uno due tre quattro cinque sei sette otto nove"),
    dictated=words_of("numero codice pin telefono postale conto cifre"),
)
