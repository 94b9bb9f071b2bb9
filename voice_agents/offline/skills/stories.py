"""Long answers, to try how the agent streams and how it is interrupted."""

from __future__ import annotations

LIGHTHOUSE = (
    "Sure, here is a story. Once upon a time there was a lighthouse keeper who lived on a small island. Every "
    "evening he climbed one hundred and ninety steps, and lit the lamp for the ships. One winter night a thick fog "
    "came in, and the light could not be seen at all. The keeper remembered the old brass bell in the cellar, and "
    "carried it up to the gallery. He rang it once every minute, all through the night, until his arms were sore. "
    "Far out at sea a fishing boat heard the bell and turned away from the rocks. In the morning the fog was gone, "
    "and nine tired sailors stood at his door. They brought him fresh bread and stayed for breakfast. Since that day "
    "the bell has hung beside the lamp, and the keeper never felt alone again."
)
CLOCK = (
    "Sure, here is another one. In a quiet street there was a shop full of clocks, and none of them agreed on the "
    "time. The owner liked it that way, because it was always tea time on at least one of them. One day a girl came "
    "in and asked why he did not set them right. He answered that a clock which is wrong makes people look twice, "
    "and that looking twice is a good habit. The girl thought about this for a while, and bought the slowest clock "
    "in the shop. She hung it over her bed, and from then on every evening was a little longer. When she was grown "
    "up she came back to thank him. The old man smiled, looked at eleven clocks, and said that she was exactly on "
    "time."
)
STORIES = (LIGHTHOUSE, CLOCK)

TOPICS = {
    "moon": (
        "Sure, let me tell you about the moon. It goes around the earth once in about twenty-seven days, and always "
        "shows us the same side. It is almost four hundred thousand kilometers away, so its light needs more than "
        "one second to reach us. There is no air and no weather there, and footprints stay for millions of years. By "
        "day the ground gets hotter than boiling water, and by night it is colder than any place on earth. The moon "
        "pulls at the oceans, and that is how the tides come and go. Twelve people have walked on it so far, and the "
        "first did so in nineteen sixty-nine. Every year it moves away from us by nearly four centimeters, which is "
        "about as fast as fingernails grow."
    ),
    "ocean": (
        "Sure, let me tell you about the ocean. It covers more than two thirds of our planet, and most of it has "
        "never been seen by anyone. On average it is almost four kilometers deep, and at its deepest point it goes "
        "down to eleven. Sunlight only reaches the first two hundred meters, and below that many animals make their "
        "own light. The water is never still, because wind, heat and salt drive great currents around the world. One "
        "of them brings warm water to the north of Europe, and keeps its winters mild. Tiny plants near the surface "
        "make about half of the oxygen we breathe. So every second breath you take is a gift from the sea."
    ),
    "honey bees": (
        "Sure, let me tell you about honey bees. A hive in summer is home to about fifty thousand of them, and "
        "almost all are sisters. When a bee has found good flowers, she dances to tell the others where they are. "
        "The direction of the dance stands for the direction of the flight, and its length for the distance. For one "
        "jar of honey the bees visit about two million flowers. In winter they sit together in a ball and shiver, "
        "and that keeps the queen warm. Much of what we eat grows only because bees carry pollen from flower to "
        "flower. So if you have a garden, leave a corner of it wild for them."
    ),
}

JOKES = (
    "Why did the computer go to the doctor? Because it had caught a virus.",
    "Why was the math book so sad? Because it had too many problems.",
    "What do you call a bear without teeth? A gummy bear.",
    "Why do bicycles fall over? Because they are two tired.",
    "What did the ocean say to the beach? Nothing, it just waved.",
)
