//! ECHO: replicated spaces of objects.
