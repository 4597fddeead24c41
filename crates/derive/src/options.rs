//! What `#[echo(...)]` says.

use syn::{Attribute, LitStr, Path};

/// The options of a type.
pub(crate) struct Options {
    /// Where the traits are.
    pub(crate) root: Path,
    /// The name of the type.
    pub(crate) type_name: Option<String>,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Whether the type has a schema of its own.
    pub(crate) own_schema: bool,
    /// Spaces keep which words are in all of its texts.
    pub(crate) text: bool,
}

impl Options {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut options = Self {
            root: syn::parse_quote!(::dxos_client),
            type_name: None,
            version: None,
            own_schema: false,
            text: false,
        };
        for attribute in attributes {
            if !attribute.path().is_ident("echo") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                let text = || meta.value()?.parse::<LitStr>();
                if meta.path.is_ident("type") {
                    let text = text()?;
                    if text.value().is_empty() || text.value().contains('@') {
                        return Err(syn::Error::new(
                            text.span(),
                            "the name of a type is not empty and has no @; its version stands \
                             in version = \"...\"",
                        ));
                    }
                    options.type_name = Some(text.value());
                } else if meta.path.is_ident("version") {
                    let text = text()?;
                    if text.value().is_empty() || text.value().contains('@') {
                        let message = "a version is not empty and has no @";
                        return Err(syn::Error::new(text.span(), message));
                    }
                    options.version = Some(text.value());
                } else if meta.path.is_ident("own_schema") {
                    options.own_schema = true;
                } else if meta.path.is_ident("text") {
                    options.text = true;
                } else if meta.path.is_ident("crate") {
                    options.root = text()?.parse()?;
                } else {
                    return Err(meta.error("expected type, version, text, own_schema or crate"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// What stands in `#[echo(...)]` at a field.
#[derive(Default)]
pub(crate) struct FieldOptions {
    /// What its references refer to has to exist.
    pub(crate) required: bool,
    /// Spaces keep the objects in its order.
    pub(crate) index: bool,
    /// Spaces keep which words are in its texts.
    pub(crate) text: bool,
}

/// Reads `#[echo(...)]` at a field.
pub(crate) fn of_field(attributes: &[Attribute]) -> syn::Result<FieldOptions> {
    let mut options = FieldOptions::default();
    for attribute in attributes {
        if attribute.path().is_ident("echo") {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("required") {
                    options.required = true;
                } else if meta.path.is_ident("index") {
                    options.index = true;
                } else if meta.path.is_ident("text") {
                    options.text = true;
                } else {
                    return Err(meta.error("expected required, index or text, at a field"));
                }
                Ok(())
            })?;
        }
    }
    Ok(options)
}
