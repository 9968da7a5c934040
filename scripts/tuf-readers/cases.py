"""What a case is: a name, the attack that makes it of an honest repository, and the codes that the agent may answer with.

An attack changes the repository it is given. What it returns says what the honest continuation is: nothing for the repository before the
attack; "kept" when the terminal rightly followed a part of what it was shown, "slow" when it takes two updates to walk through that,
"rotate" when stolen keys signed what only a change of keys undoes, and ("first", ROLE) for a fast-forward."""

CASES = []


def case(*codes, row, assigned=("acme",)):
    """A case whose update ends with one of `codes`; none says that it must succeed."""

    def add(attack):
        CASES.append((attack.__name__.replace("_", "-"), row, codes, assigned, attack))
        return attack

    return add


def each(names, *codes, row):
    """The same attack on several roles."""

    def add(attack):
        for name in names:
            def one(repository, name=name):
                return attack(repository, name)

            CASES.append((f"{attack.__name__}-{name}".replace("_", "-"), row, codes, ("acme",), one))
        return attack

    return add
