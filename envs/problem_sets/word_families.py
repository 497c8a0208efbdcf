"""Families of maths word problems: wordings, ranges of the constants, and the steps of the solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Draw = Callable[[Random, int], tuple[int, ...]]
"""Draws the constants of a problem, given the largest free one, so that every step comes out whole and positive."""


@dataclass(frozen=True, slots=True)
class StepTemplate:
    """One step: a sub-question, one operation on two names, and the answer in words."""

    question: str
    """The sub-question, in the words of the problem."""
    operation: str
    """`left operator right`, where a side is a constant n0, n1, ..., an earlier result t0, t1, ..., or a number."""
    sentence: str
    """The answer in words; {work} is the operation in numbers with its result."""


@dataclass(frozen=True, slots=True)
class Family:
    """Problems that differ in words and constants and share their solution."""

    name: str
    """Name, as in the tags of a problem."""
    wordings: tuple[str, ...]
    """The question in varied wording; constants in the order n0, n1, ... in which a reader meets them."""
    draw: Draw
    """How constants are drawn."""
    steps: tuple[StepTemplate, ...]
    """The solution."""


NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Iris", "Jon", "Kim", "Leo", "Mia", "Noor")
THINGS = (
    "pens",
    "cards",
    "shells",
    "apples",
    "stickers",
    "beads",
    "books",
    "coins",
    "marbles",
    "stamps",
    "eggs",
    "nuts",
)


def _free(count: int) -> Draw:
    return lambda rng, largest: tuple(rng.randint(2, largest) for _ in range(count))


def _give(rng: Random, largest: int) -> tuple[int, ...]:
    kept, given = rng.randint(1, largest - 1), rng.randint(1, largest - 1)
    return kept + given, given


def _share(rng: Random, largest: int) -> tuple[int, ...]:
    share, people = rng.randint(2, largest), rng.randint(2, largest)
    return share * people, people


def _buy(rng: Random, largest: int) -> tuple[int, ...]:
    count, price = rng.randint(2, largest), rng.randint(2, largest)
    return count * price + rng.randint(1, largest), count, price


def _pool(rng: Random, largest: int) -> tuple[int, ...]:
    share, people = rng.randint(2, largest), rng.randint(2, largest)
    first = rng.randint(1, share * people - 1)
    return first, share * people - first, people


def _save(rng: Random, largest: int) -> tuple[int, ...]:
    start, weekly, weeks = _free(3)(rng, largest)
    return start, weekly, weeks, rng.randint(1, start + weekly * weeks - 1)


def _profit(rng: Random, largest: int) -> tuple[int, ...]:
    count, cost = rng.randint(2, largest), rng.randint(2, largest)
    return count, cost, cost + rng.randint(1, largest)


def _teams(rng: Random, largest: int) -> tuple[int, ...]:
    players, teams, points = _free(3)(rng, largest)
    return players * teams, players, points


def _shop(rng: Random, largest: int) -> tuple[int, ...]:
    counts_and_prices = _free(4)(rng, largest)
    first, first_price, second, second_price = counts_and_prices
    return (first * first_price + second * second_price + rng.randint(1, largest), *counts_and_prices)


def _harvest(rng: Random, largest: int) -> tuple[int, ...]:
    while True:
        trees, fruit, bag = _free(3)(rng, largest)
        bags = rng.randint(1, largest)
        if 0 < bags * bag < trees * fruit:
            return trees, fruit, trees * fruit - bags * bag, bag


FAMILIES = (
    Family(
        "pack",
        (
            "{who} packs {n0} boxes with {n1} {thing} in each box. How many {thing} does {who} pack?",
            "There are {n0} boxes and each holds {n1} {thing}. How many {thing} are there?",
            "In a shop {who} sees {n0} bags of {n1} {thing}. How many {thing} are in the bags?",
        ),
        _free(2),
        (StepTemplate("How many {thing} are there?", "n0 * n1", "There are {work} {thing}."),),
    ),
    Family(
        "give",
        (
            "{who} has {n0} {thing} and gives {n1} of them to {other}. How many {thing} does {who} have left?",
            "Of {n0} {thing} {who} loses {n1}. How many {thing} are left?",
            "{who} had {n0} {thing}, but {other} took {n1}. How many {thing} does {who} have now?",
        ),
        _give,
        (StepTemplate("How many {thing} are left?", "n0 - n1", "{who} has {work} {thing} left."),),
    ),
    Family(
        "join",
        (
            "{who} has {n0} {thing} and {other} has {n1} {thing}. How many {thing} do they have together?",
            "{who} finds {n0} {thing} on Monday and {n1} on Tuesday. How many {thing} does {who} find?",
            "There are {n0} {thing} on a table and {n1} under it. How many {thing} are there?",
        ),
        _free(2),
        (StepTemplate("How many {thing} are there?", "n0 + n1", "Together there are {work} {thing}."),),
    ),
    Family(
        "share",
        (
            "{who} shares {n0} {thing} among {n1} friends. How many {thing} does each friend get?",
            "{n0} {thing} go into {n1} equal piles. How many {thing} are in a pile?",
            "{who} puts {n0} {thing} into {n1} jars, the same number in each. How many {thing} are in a jar?",
        ),
        _share,
        (StepTemplate("How many {thing} is one share?", "n0 // n1", "One share is {work} {thing}."),),
    ),
    Family(
        "boxes_and_loose",
        (
            "{who} has {n0} boxes of {n1} {thing} and {n2} loose {thing}. How many {thing} does {who} have?",
            "{who} buys {n0} bags with {n1} {thing} each and gets {n2} more. How many {thing} does {who} have?",
            "On a shelf are {n0} rows of {n1} {thing}, and {n2} {thing} lie beside it. How many {thing} are there?",
        ),
        _free(3),
        (
            StepTemplate("How many {thing} are in the full rows?", "n0 * n1", "They hold {work} {thing}."),
            StepTemplate("How many {thing} are there with the others?", "t0 + n2", "In all there are {work} {thing}."),
        ),
    ),
    Family(
        "change",
        (
            "{who} has {n0} dollars and buys {n1} {thing} for {n2} dollars each. How many dollars are left?",
            "With {n0} dollars {who} pays for {n1} {thing} at {n2} dollars each. How much is the change?",
            "{who} took {n0} dollars to the shop and bought {n1} {thing}, each for {n2} dollars. What remains?",
        ),
        _buy,
        (
            StepTemplate("What do the {thing} cost?", "n1 * n2", "The {thing} cost {work} dollars."),
            StepTemplate("How many dollars are left?", "n0 - t0", "So {work} dollars are left."),
        ),
    ),
    Family(
        "two_prices",
        (
            "{who} buys {n0} {thing} at {n1} dollars each and {n2} cups at {n3} dollars each. What does it cost?",
            "{n0} {thing} cost {n1} dollars each and {n2} bags cost {n3} dollars each. What do they cost together?",
            "{who} sells {n0} {thing} for {n1} dollars each and {n2} hats for {n3} dollars each. What does {who} get?",
        ),
        _free(4),
        (
            StepTemplate("What do the {thing} come to?", "n0 * n1", "The {thing} come to {work} dollars."),
            StepTemplate("What do the others come to?", "n2 * n3", "The others come to {work} dollars."),
            StepTemplate("What is the sum?", "t0 + t1", "The sum is {work} dollars."),
        ),
    ),
    Family(
        "pool_and_share",
        (
            "{who} has {n0} {thing}, {other} has {n1}. They share them among {n2} children. How many does each get?",
            "{n0} red and {n1} blue {thing} go into {n2} equal piles. How many {thing} are in a pile?",
            "{who} adds {n0} {thing} to {n1} others and fills {n2} jars equally. How many {thing} are in a jar?",
        ),
        _pool,
        (
            StepTemplate("How many {thing} are there?", "n0 + n1", "There are {work} {thing}."),
            StepTemplate("How many {thing} is one share?", "t0 // n2", "One share is {work} {thing}."),
        ),
    ),
    Family(
        "more_than",
        (
            "{who} has {n0} {thing}. {other} has {n1} more than {who}. How many {thing} do they have together?",
            "{who} picks {n0} {thing} and {other} picks {n1} more than that. How many {thing} do they pick?",
            "A red box holds {n0} {thing}, a blue box {n1} more. How many {thing} do the boxes hold?",
        ),
        _free(2),
        (
            StepTemplate("How many {thing} are in the bigger part?", "n0 + n1", "The bigger part is {work} {thing}."),
            StepTemplate("How many {thing} are in both?", "n0 + t0", "Both are {work} {thing}."),
        ),
    ),
    Family(
        "times_as_many",
        (
            "{who} has {n0} {thing}. {other} has {n1} times as many. How many {thing} do they have together?",
            "{who} draws {n0} {thing} and {other} draws {n1} times as many. How many {thing} do they draw?",
            "A small jar holds {n0} {thing}, a big jar {n1} times as many. How many {thing} do the jars hold?",
        ),
        _free(2),
        (
            StepTemplate("How many {thing} are in the bigger part?", "n0 * n1", "The bigger part is {work} {thing}."),
            StepTemplate("How many {thing} are in both?", "n0 + t0", "Both are {work} {thing}."),
        ),
    ),
    Family(
        "saving",
        (
            "{who} has {n0} dollars, saves {n1} a week for {n2} weeks and spends {n3}. How many dollars are left?",
            "Starting with {n0} dollars {who} earns {n1} a day for {n2} days, then pays {n3}. What remains?",
        ),
        _save,
        (
            StepTemplate("How many dollars come in?", "n1 * n2", "There come in {work} dollars."),
            StepTemplate("How many dollars are there then?", "n0 + t0", "Then there are {work} dollars."),
            StepTemplate("How many dollars are left?", "t1 - n3", "In the end {work} dollars are left."),
        ),
    ),
    Family(
        "trip",
        (
            "{who} rides {n0} km an hour for {n1} hours and {n2} km an hour for {n3} hours. How far does {who} ride?",
            "A boat goes {n0} km an hour for {n1} hours, then {n2} km an hour for {n3} hours. How far does it go?",
        ),
        _free(4),
        (
            StepTemplate("How far is the first part?", "n0 * n1", "The first part is {work} km."),
            StepTemplate("How far is the second part?", "n2 * n3", "The second part is {work} km."),
            StepTemplate("How far is it in all?", "t0 + t1", "In all it is {work} km."),
        ),
    ),
    Family(
        "reading",
        (
            "A book has {n0} pages. {who} reads {n1} days, {n2} pages a day. How many pages are left?",
            "{who} must pack {n0} {thing} and packs for {n1} hours, {n2} in an hour. How many are still to pack?",
        ),
        _buy,
        (
            StepTemplate("How much is done?", "n1 * n2", "Done are {work}."),
            StepTemplate("How much is left?", "n0 - t0", "Left are {work}."),
        ),
    ),
    Family(
        "fence",
        (
            "A garden is {n0} m long and {n1} m wide. How many metres of fence go around it?",
            "{who} walks once around a field of {n0} m by {n1} m. How many metres does {who} walk?",
        ),
        _free(2),
        (
            StepTemplate("How long are two sides?", "n0 + n1", "Two sides are {work} m."),
            StepTemplate("How long are all four?", "2 * t0", "All four are {work} m."),
        ),
    ),
    Family(
        "profit",
        (
            "{who} buys {n0} {thing} at {n1} dollars each and sells them at {n2} dollars each. What is the profit?",
            "A shop gets {n0} {thing} for {n1} dollars each and sells each for {n2} dollars. What does it gain?",
        ),
        _profit,
        (
            StepTemplate("What is gained on one?", "n2 - n1", "One brings {work} dollars."),
            StepTemplate("What is gained on all?", "n0 * t0", "All bring {work} dollars."),
        ),
    ),
    Family(
        "teams",
        (
            "{n0} children form teams of {n1}. Each team wins {n2} points. How many points do all teams win?",
            "{who} cuts {n0} m of rope into parts of {n1} m and sells each part for {n2} dollars. What does {who} get?",
        ),
        _teams,
        (
            StepTemplate("How many parts are there?", "n0 // n1", "There are {work} parts."),
            StepTemplate("What do they bring?", "t0 * n2", "They bring {work}."),
        ),
    ),
    Family(
        "shop",
        (
            "{who} has {n0} dollars and buys {n1} {thing} at {n2} dollars and {n3} cups at {n4} dollars. What is left?",
            "From {n0} dollars {who} pays {n1} {thing} at {n2} dollars each and {n3} bags at {n4} dollars each. "
            "How many dollars remain?",
        ),
        _shop,
        (
            StepTemplate("What do the {thing} cost?", "n1 * n2", "The {thing} cost {work} dollars."),
            StepTemplate("What do the others cost?", "n3 * n4", "The others cost {work} dollars."),
            StepTemplate("What does it cost together?", "t0 + t1", "Together it is {work} dollars."),
            StepTemplate("How many dollars are left?", "n0 - t2", "So {work} dollars are left."),
        ),
    ),
    Family(
        "harvest",
        (
            "{n0} trees bear {n1} apples each. {who} eats {n2} and puts the rest into bags of {n3}. How many bags?",
            "{who} bakes {n0} trays of {n1} rolls, sells {n2} and packs the others in bags of {n3}. How many bags?",
        ),
        _harvest,
        (
            StepTemplate("How many are there at first?", "n0 * n1", "At first there are {work}."),
            StepTemplate("How many remain?", "t0 - n2", "Then {work} remain."),
            StepTemplate("How many bags do they fill?", "t1 // n3", "They fill {work} bags."),
        ),
    ),
)
"""All families, 1 to 4 steps each."""
