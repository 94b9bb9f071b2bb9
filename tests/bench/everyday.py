"""Plain questions and commands, and sentences with a pause in them: hotel, doctor, kitchen, bank, travel, small talk.

Written before the weights of ``turns/endings/likelihood.py`` were learned. They were looked at once before its last
thresholds were chosen, so that what is measured with them is a little too good; for a clean figure write others. Lower
case and without punctuation, as recognisers write words while they are spoken.
"""

from __future__ import annotations

PLAIN = """
do you have a double room for tonight
what time is breakfast served
is there parking at the hotel
please wake me up at seven
can i check out a bit later
how much is a room with a balcony
where is the swimming pool
i'd like to extend my stay by two nights
does the room have air conditioning
send someone to fix the shower
i need an appointment with doctor miller
how often should i take these tablets
is the clinic open on saturdays
what are the symptoms of the flu
can you move my appointment to thursday
what should i do about a sore throat
do i need a prescription for this
how long does a cold usually last
cancel my appointment for tomorrow
where is the nearest pharmacy
how long do i cook brown rice
what can i make with leftover chicken
how many grams are in an ounce
give me a recipe for pancakes
can i freeze mushroom soup
what temperature should the oven be
add butter to the shopping list
how do i peel a mango
set a timer for twelve minutes
what goes well with salmon
what's my account balance
block my credit card please
transfer fifty dollars to my savings account
when is my next payment due
how do i reset my pin
did my salary arrive yet
what is the current interest rate
show me my last five transactions
can i raise my credit limit
why was my card declined
when does the next train leave
how do i get to the airport
do i need a visa for vietnam
is my flight on time
book a taxi for six in the morning
what's the weather like in lisbon
how far is it to the beach
find me a cheap flight to oslo
which platform does it leave from
what gate do we board at
how was your day
what do you like to do on weekends
tell me something funny
have you seen any good movies lately
what's your favorite food
do you believe in ghosts
what are you up to
who won the game last night
are you a morning person
can you keep a secret
""".strip().splitlines()
HESITATING = [
    tuple(line.split(" | "))
    for line in """
i'd like to reserve a room | with two single beds
we are arriving on friday | around nine in the evening
could you bring some extra | towels to my room
is breakfast included | in that price
do you have any rooms | on the top floor
i booked a suite under the name | of henderson
we would like to stay until | the fourteenth
can someone help me with | my luggage
the air conditioning in our room | is making a strange noise
i was wondering if | late checkout is possible
my back has been hurting | since last weekend
i have an appointment with | doctor patel at ten
should i take this medicine before | or after meals
i've been feeling really | dizzy in the mornings
i'm allergic to penicillin and | to most nuts
can i get a prescription | for my asthma inhaler
my son has a fever of | thirty nine degrees
how long do i have to wait | for the test results
it hurts when i | bend my knee
the doctor told me to come back | if it gets worse
how long do i need to boil | a soft egg
what can i use instead of | buttermilk
first you chop the onions then | you fry them in butter
give me a recipe for | a chocolate cake without eggs
can i make this sauce | a day ahead
i need to convert two cups of | sugar into grams
how many people does | this recipe serve
put the chicken in the oven | for forty minutes
what is the difference between baking soda | and baking powder
is it safe to eat | rice that was left out overnight
i want to transfer two hundred dollars | to my sister
my card number ends in | four seven one one
could you tell me how much | i spent on groceries
i'd like to open | a savings account for my daughter
there's a charge on my card that | i don't recognize
what is the exchange rate | from euros to yen
please pay the electricity bill | from my checking account
i lost my wallet on | the subway this morning
can i increase the limit | on my debit card
the account number is three three nine | zero one eight
when is the next bus | to the city center
i'm looking for a flight from boston | to reykjavik in june
we missed our connection in | frankfurt
how much is a ticket | for two adults and a child
do i have to change trains | in lyon or in paris
my suitcase never | showed up at the airport
is there a direct train | between milan and zurich
we'd like to rent a car for | the whole week
can you show me the way | to the old town
i left my passport | at the hotel reception
so yesterday um | my brother called me
i've never really liked | horror movies
my favorite season is probably | autumn
we went hiking last weekend and | got completely lost
i started learning | the guitar a month ago
have you ever been | to new zealand
he works as a | nurse in a big hospital
you know what i hate | about mondays
what do you think about | the new mayor
i'm thinking of getting | a puppy for the kids
""".strip().splitlines()
]
"""How they begin, and how they go on after the pause."""
