"""Which cells of a chapter a claim depends on.

A slice is the claim's cell and every earlier cell that gives a name of it its value or changes what
the name stands for, and so on backwards. What a statement reads and writes is in its bytecode. That
it changes a thing in place is guessed from how it calls it: `gan.fit(...)` does, `np.abs(x)` does
not, and a function of the chapter does what its body does.
"""

import ast
import dataclasses
import dis
import functools
import re
from dataclasses import dataclass
from types import CodeType

# Methods that change what they belong to, and those that change what they are given.
CHANGING = {"fit", "compile", "build", "train_step", "train_on_batch", "round", "step", "adapt"}
CHANGING |= {"set_weights", "load_weights", "assign", "assign_add", "assign_sub", "fill", "sort"}
CHANGING |= {"append", "extend", "insert", "update", "pop", "shuffle", "setdefault", "add", "clear"}
GIVEN = {"apply", "apply_gradients", "minimize", "resume", "after_update"}
DEFINING = ast.FunctionDef | ast.ClassDef


@dataclass
class Statement:
    """What a statement at the top of a cell does with names."""

    reads: set  # of those that it has not given a value itself
    writes: set
    certain: set  # those that it writes whatever happens


def nested(code):
    """The code of a statement's functions, lambdas and comprehensions, the deeper ones too."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def names(code, *operations):
    return {it.argval for it in dis.get_instructions(code) if it.opname in operations}


@functools.cache
def parse(source):
    """The statements of a cell, as syntax trees; of the set-up cell, which has a magic, none."""
    return [] if "%pip" in source else ast.parse(source).body


def simple(tree):
    """What a statement without a body does, and one that defines a function or a class."""
    tree = ast.fix_missing_locations(ast.Module([tree], []))
    code = compile(tree, "cell", "exec")
    reads = names(code, "LOAD_NAME", "LOAD_GLOBAL")
    for inner in nested(code):
        reads |= names(inner, "LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")
    writes = names(code, "STORE_NAME", "DELETE_NAME")
    return Statement(reads, writes, writes)


def together(trees):
    """What statements do, one after the other."""
    all_of_them = Statement(set(), set(), set())
    for tree in trees:
        one = statement(tree)
        all_of_them.reads |= one.reads - all_of_them.certain
        all_of_them.writes |= one.writes
        all_of_them.certain |= one.certain
    return all_of_them


def statement(tree):
    """What a statement does."""
    match tree:
        case ast.For(target, value, body, orelse):
            bound = {it.id for it in ast.walk(target) if isinstance(it, ast.Name)}
            inside, head = together(body + orelse), simple(ast.Expr(value))
            reads = head.reads | (inside.reads - bound)
            return Statement(reads, bound | inside.writes, set())
        case ast.If(test, body, orelse) | ast.While(test, body, orelse):
            head = simple(ast.Expr(test))
            ways = together(body), together(orelse)
            reads = head.reads.union(*(way.reads for way in ways)) - head.certain
            writes = head.writes.union(*(way.writes for way in ways))
            return Statement(reads | head.reads, writes, ways[0].certain & ways[1].certain)
        case ast.Try():
            return dataclasses.replace(simple(tree), certain=set())
    return simple(tree)


@functools.cache
def statements(source):
    """What each of the statements of a cell does."""
    return [statement(tree) for tree in parse(source)]


def loaded(tree):
    return {it.id for it in ast.walk(tree) if isinstance(it, ast.Name)}


def mentioned(source):
    """The names in a cell."""
    return set().union(*map(loaded, parse(source)))


def base(tree):
    """The name at the beginning of `name.attribute[3].other`, None if there is none."""
    while isinstance(tree, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        tree = tree.func if isinstance(tree, ast.Call) else tree.value
    return tree.id if isinstance(tree, ast.Name) else None


def handed_on(tree, functions):
    """Whether a value is made with, not by, a function that changes things: a partial."""
    called = {id(it.func) for it in ast.walk(tree) if isinstance(it, ast.Call)}
    return any(
        isinstance(it, ast.Name) and id(it) not in called and functions.get(it.id, ((), ()))[1]
        for it in ast.walk(tree)
    )


def changed_by(tree, functions):
    """The names of the things that a piece of code changes in place.

    Args:
        functions: the functions of the chapter, each with the names that its body changes.
    """
    found = set()
    for it in ast.walk(tree):
        if isinstance(it, ast.Attribute | ast.Subscript) and not isinstance(it.ctx, ast.Load):
            found.add(base(it))
        elif isinstance(it, ast.AugAssign):
            found.add(base(it.target))
        elif isinstance(it, ast.Assign) and handed_on(it.value, functions):
            found |= loaded(it.value)
        elif isinstance(it, ast.Expr) and isinstance(it.value, ast.Call):
            found.add(base(it.value.func) if isinstance(it.value.func, ast.Attribute) else None)
        if isinstance(it, ast.Call):
            if isinstance(it.func, ast.Attribute) and it.func.attr in GIVEN:
                found |= loaded(it)
            elif isinstance(it.func, ast.Attribute) and it.func.attr in CHANGING:
                found.add(base(it.func))
                for given in it.keywords:
                    found |= loaded(given.value) if given.arg == "callbacks" else set()
            elif isinstance(it.func, ast.Name) and it.func.id in functions:
                parameters, changes = functions[it.func.id]
                given = dict(zip(parameters, it.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in it.keywords}
                for name in changes:
                    found |= loaded(given[name]) if name in given else {name}
    aliases = {  # weights = network.trainable_variables
        it.targets[0].id: base(it.value)
        for it in ast.walk(tree)
        if isinstance(it, ast.Assign) and isinstance(it.targets[0], ast.Name)
    }
    return (found | {aliases.get(name) for name in found}) - {None}


@functools.cache
def changing_functions(sources):
    """The functions and classes of a chapter: their parameters, and the names that they change."""
    trees = [
        it
        for source in sources
        for statement in parse(source)
        for it in ast.walk(statement)
        if isinstance(it, DEFINING)
    ]
    partials = [it for source in sources for it in parse(source) if isinstance(it, ast.Assign)]
    functions = {}
    for _ in range(3):  # functions that call functions
        for it in partials:
            if handed_on(it.value, functions) and isinstance(it.targets[0], ast.Name):
                name = it.targets[0].id  # another cell may have another partial of this name
                functions[name] = (), loaded(it.value) | functions.get(name, ((), set()))[1]
        for it in trees:
            body = it.body if isinstance(it, ast.ClassDef) else [it]
            parameters = [
                argument.arg
                for method in body
                if isinstance(method, ast.FunctionDef)
                for argument in method.args.args + method.args.kwonlyargs
                if argument.arg != "self"
            ]
            changes = changed_by(it, functions)
            local = {
                name.id
                for name in ast.walk(it)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            functions[it.name] = parameters, changes - (local - set(parameters)) - {"self"}
    return functions


def holds(value):
    """Whether a value is made of other things and keeps them: `GAN(generator, discriminator)`."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1][:1].isupper()
    return isinstance(value, ast.Tuple | ast.List | ast.Dict)


@functools.cache
def slice_of(sources, last):
    """The numbers of the cells on which a cell depends, in order, itself among them."""
    functions = changing_functions(sources)
    deferred, held, fixed = {}, {}, set()
    for source in sources:
        for tree, done in zip(parse(source), statements(source), strict=True):
            if isinstance(tree, DEFINING):
                deferred[tree.name] = deferred.get(tree.name, set()) | done.reads
                fixed.add(tree.name)
            elif isinstance(tree, ast.Import | ast.ImportFrom):
                fixed |= done.writes
            elif isinstance(tree, ast.Assign) and holds(tree.value):
                for name in done.writes:
                    held[name] = held.get(name, set()) | loaded(tree.value)

    def closure(wanted, of):
        wanted, ahead = set(), set(wanted)
        while ahead:
            wanted |= ahead
            ahead = set().union(*(of.get(name, ()) for name in ahead)) - wanted
        return wanted

    live, chosen = set(), []
    for number in range(last, -1, -1):
        trees, done = parse(sources[number]), statements(sources[number])
        writes = set().union(*(it.writes for it in done))
        made = [it for it in trees if not isinstance(it, DEFINING)]
        changes = closure(set().union(*(changed_by(it, functions) for it in made)) - fixed, held)
        changes -= fixed
        if number == last or (writes | changes) & live:
            chosen.append(number)
            for it in reversed(done):
                live = live - it.certain | closure(it.reads, deferred)
    return chosen[::-1]


def claims(source):
    """The claims of a cell, as patterns: an f-string has gaps."""
    for tree in parse(source):
        for it in ast.walk(tree):
            if isinstance(it, ast.Call) and ast.unparse(it.func) == "check" and it.args:
                text = it.args[0]
                if isinstance(text, ast.Constant):
                    yield re.escape(text.value)
                elif isinstance(text, ast.JoinedStr):
                    parts = text.values
                    yield "".join(
                        re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in parts
                    )


def making(sources, claim):
    """The numbers of the cells that make a claim: word by word or, if there are none, with gaps."""
    word_by_word = [i for i, it in enumerate(sources) if re.escape(claim) in claims(it)]
    return word_by_word or [
        i for i, it in enumerate(sources) if any(re.fullmatch(p, claim) for p in claims(it))
    ]
