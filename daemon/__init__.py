"""skilld: serves WebAssembly Skills over HTTP, as git says."""

__version__ = "0.1.0"
