from scripts.tests_mirror import only_declares, problems


def test_a_mirrored_package_has_no_problems() -> None:
    """Modules of the package and of scripts, each with its test."""
    modules = ["daemon/names.py", "daemon/api/auth.py", "scripts/build.py"]
    tests = ["tests/test_names.py", "tests/api/test_auth.py", "tests/scripts/test_build.py"]

    assert problems(modules, tests) == []


def test_a_module_without_tests_is_named() -> None:
    """With the path that its tests would have."""
    assert problems(["daemon/api/auth.py"], []) == [
        "daemon/api/auth.py: tests/api/test_auth.py is missing"
    ]


def test_a_test_without_module_is_named() -> None:
    """As happens when a module moves."""
    assert problems([], ["tests/api/test_gone.py"]) == [
        "tests/api/test_gone.py: tests no module of this name"
    ]


def test_end_to_end_tests_are_free() -> None:
    """They belong to no module."""
    assert problems([], ["tests/e2e/test_deploy.py"]) == []


def test_a_protocol_only_declares() -> None:
    """It has no code that could be wrong."""
    assert only_declares('class Port:\n    def a(self) -> int: ...\n    def b(self):\n        "B."')
    assert not only_declares("def a(b):\n    return b + 1")
