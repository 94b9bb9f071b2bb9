"""How Portuguese sentences begin and end; who does it is often not said, so a verb alone may be a sentence."""

from __future__ import annotations

from voice_agents.turns.endings.judging import Endings, phrases_of, words_of

PORTUGUESE = Endings(
    fillers=words_of("eh é hum ahn bem bom então tá sim ok okay olha oi olá por favor e aí pois"),
    never_last=words_of(
        "e ou mas porém porque que embora se como quando onde enquanto pois o a os as um uma uns umas de do da dos "
        "das em no na nos nas com sem por pelo pela pelos pelas para pra pro ao à aos às sobre entre até desde "
        "contra durante segundo conforme num numa meu minha meus minhas teu tua seu sua seus suas nosso nossa cada "
        "algum alguma alguns algumas nenhum nenhuma este esta estes estas esse essa esses essas aquele aquela cujo "
        "muito tão mais menos me te lhe qual quais dividido vezes hum ahn neste nesta nesse nessa deste desta"
    ),
    links=words_of(
        "sou és é somos são era eram estou estás está estamos estão estava tenho tens tem temos têm quero queres "
        "quer queremos queria posso podes pode podemos podem poderia podia devo deve deveria vou vais vai vamos vão "
        "há preciso precisa gostaria"
    ),
    links_need=words_of("eu tu ele ela você nós eles não me nome número endereço código consulta que"),
    open_phrases=phrases_of(
        """você pode, pode, podes, poderia, podia, você poderia, pode me, você pode me, pode dizer-me, quero, queria,
        eu queria, eu gostaria, gostaria, preciso, procuro, me diz, me diga, diz-me, diga-me, me conta, conta-me,
        me dá, dá-me, me mostra, mostra-me, me lembra, lembra-me, me lembre, lembre-me, liga, você sabe, sabes,
        acho, acho que, penso que, não sei se, meu nome é, o meu nome é, me chamo, chamo-me, meu número é, o meu
        número é, o número é, o código é, por exemplo, quer dizer, ou seja, quanto, quanta, quantos, quantas, um
        pouco, um par, não tenho certeza, depende, na verdade, tenho que, tenho de, por causa, ao lado, perto,
        longe, em vez, antes, depois, a partir, onde está, onde fica, onde é, quem é, o que é, qual é, quando é,
        que tipo, vou, ajuda-me, me ajuda, talvez, a maioria"""
    ),
    questions=words_of("que quê quem qual quais quando quanto quanta quantos quantas onde aonde como por-que porquê"),
    verb_first=words_of(
        "é são está estão há tem têm tens pode podes poderia podia posso sabe sabes conhece você vai vais foi quer "
        "queres funciona custa chove"
    ),
    conditions=words_of("se quando embora porque como enquanto depois antes"),
    subjects=words_of("eu tu ele ela você nós eles elas os meu minha"),
    commands=words_of(
        "diz diga diz-me conta conte dá dê mostra mostre põe coloca coloque procura procure lê leia escreve escreva "
        "liga ligue envia envie manda abre abra fecha feche para pare inicia apaga apague traduz traduza calcula "
        "calcule lembra lembre lembra-me vira desliga desligue acende reserva reserve pede encontra encontre ajuda "
        "explica explique repete repita adiciona adicione anota anote cancela cancele joga lança toca toque me faz "
        "faça"
    ),
    of_something=words_of(
        "capital temperatura raiz soma população altura comprimento tamanho distância endereço preço diferença nome "
        "significado presidente autor diretor"
    ),
    needs=(
        (
            r"(?:põe|coloca|coloque|define|cria|programa) (?:um|uma|o|a) (?:temporizador|alarme|timer|despertador)",
            r"\b(?:de|para|às|em|por) \S",
        ),
        (r"(?:traduz|traduza)\b", r"\b(?:para|em) \S"),
        (r"(?:me lembr[ae]|lembr[ae]-me)\b", r"\b(?:de|que) \S"),
        (r"(?:divide|divida|multiplica|multiplique)\b", r"\bpor \S"),
        (r"(?:quant[oa]s?|quais|que tipo de) \S+$", r"$^"),
    ),
    closing=words_of("favor obrigado obrigada hoje amanhã agora"),
    whole=phrases_of(
        """sim, não, oi, olá, tchau, adeus, obrigado, obrigada, muito obrigado, muito obrigada, não obrigado, não
        obrigada, sim por favor, por favor, para, pare, chega, espera, espere, como vai, como está, como estás,
        tudo bem, que horas são, quem é você, quem és tu, boa noite, bom dia, boa tarde, até logo, exato,
        exatamente, claro, tanto faz, continua, outra vez, mais uma vez, está bem, é tudo, só isso"""
    ),
    digits=words_of("zero um dois três quatro cinco seis sete oito nove meia"),
    dictated=words_of("número código pin telefone postal conta dígitos senha cep"),
)
