"""
Puts the set of drivers together: real ones where they are configured, explaining ones elsewhere.

Leaves out reading settings (`app` does) and what a driver talks to.
"""

from daemon.csi import interface as csi
from daemon.csi.unconfigured import (
    UnconfiguredChunking,
    UnconfiguredDocumentIndex,
    UnconfiguredInference,
    UnconfiguredLanguage,
)


def assemble(
    *,
    tools: csi.Tools,
    inference: csi.Inference | None = None,
    document_index: csi.DocumentIndex | None = None,
    chunking: csi.Chunking | None = None,
    language: csi.LanguageDetection | None = None,
) -> csi.Drivers:
    """Return the set; None stands for what is not configured."""
    return csi.Drivers(
        inference=inference or UnconfiguredInference(),
        document_index=document_index or UnconfiguredDocumentIndex(),
        chunking=chunking or UnconfiguredChunking(),
        language=language or UnconfiguredLanguage(),
        tools=tools,
    )
