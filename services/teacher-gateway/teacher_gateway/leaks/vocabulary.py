"""Words that the leak rules know."""

# fmt: off
# Words that carry no meaning of their own in an option or a solution.
STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "both", "by", "do", "does", "for", "from", "had", "has", "have", "in",
    "into", "is", "it", "its", "of", "on", "or", "own", "so", "that", "the", "their", "them", "they", "this", "to",
    "was", "were", "which", "will", "with", "you", "your",
))
SMALL_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen",
)
TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)
# fmt: on
NUMBER_WORDS = {word: number for number, word in enumerate(SMALL_NUMBERS)} | {
    word: ten * 10 for ten, word in enumerate(TENS, 2)
}
PART_WORDS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
