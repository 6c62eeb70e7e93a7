"""The document index of the newer worlds."""

from daemon.csi import interface as csi
from daemon.engine.worlds.v0_4 import INTERFACES
from tests.engine.worlds.calls import find, serve


def test_search_with_all_kinds_of_filters() -> None:
    """Values lose their WIT type, not their Python one."""
    conditions = [
        ("f", ("greater-than", 1.5)),
        ("f", ("after", "2020-01-01T00:00:00Z")),
        ("f", ("equal-to", ("integer-type", 3))),
        ("f", ("equal-to", ("boolean-type", True))),
        ("f", ("is-null", None)),
    ]
    request = (("n", "c", "i"), "q", 2, 0.5, [("with-all", conditions), ("without", [])])
    path, start, end = csi.DocumentPath("n", "c", "d"), csi.TextCursor(0, 1), csi.TextCursor(0, 2)
    reply = csi.SearchResults([[csi.SearchResult(path, "x", 0.9, start, end)]])

    told, asked = serve(
        find(INTERFACES, "pharia:skill/document-index", "search"), [request], replies=[reply]
    )

    filters = [
        csi.SearchFilter(
            "with-all",
            [
                csi.MetadataFilter("f", "greater-than", 1.5),
                csi.MetadataFilter("f", "after", "2020-01-01T00:00:00Z"),
                csi.MetadataFilter("f", "equal-to", 3),
                csi.MetadataFilter("f", "equal-to", True),
                csi.MetadataFilter("f", "is-null"),
            ],
        ),
        csi.SearchFilter("without", []),
    ]
    index = csi.IndexPath("n", "c", "i")
    assert asked == [csi.Search([csi.SearchRequest(index, "q", 2, 0.5, filters)])]
    assert told == [[(("n", "c", "d"), "x", 0.9, (0, 1), (0, 2))]]


def test_documents_and_their_metadata() -> None:
    """Batched, in order."""
    path = csi.DocumentPath("n", "c", "d")
    documents = find(INTERFACES, "pharia:skill/document-index", "documents")
    metadata = find(INTERFACES, "pharia:skill/document-index", "document-metadata")

    found = csi.DocumentsFound([csi.Document(path, [None, "t"])])
    told, asked = serve(documents, [("n", "c", "d")], replies=[found])
    assert asked == [csi.Documents([path])]
    assert told == [(("n", "c", "d"), [("image", None), ("text", "t")], None)]

    told, asked = serve(metadata, [("n", "c", "d")], replies=[csi.MetadataFound([b"1", None])])
    assert (told, asked) == ([b"1", None], [csi.DocumentMetadata([path])])
