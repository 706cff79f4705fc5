//! The few things read from XML answers: the text of an element, by its path.
//!
//! Namespaces are passed over: services use one for everything they say.

use roxmltree::{Document, Node, ParsingOptions};

/// Elements an answer may have; AWS's own have some thousands at most.
const MAX_NODES: u32 = 100_000;

/// An XML text, understood.
pub(crate) fn parse(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions {
        // no document type: no entities that unfold
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).ok()
}

/// The first element of this name, at any depth.
pub(crate) fn find<'a, 'i>(document: &'a Document<'i>, name: &str) -> Option<Node<'a, 'i>> {
    let mut all = document.descendants();
    all.find(|node| node.tag_name().name() == name)
}

/// The child elements of this name.
pub(crate) fn children<'a, 'i>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.tag_name().name() == name)
}

/// The text of the first child element of this name.
pub(crate) fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    let child = children(node, name).next()?;
    Some(child.text().unwrap_or_default().to_owned())
}
