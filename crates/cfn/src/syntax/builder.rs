//! How do events become nodes?
//!
//! Folds them without recursion, names what CloudFormation does not accept
//! (anchors, merge keys, unknown tags, duplicate keys, null) and goes on.

use saphyr_parser::{Event, ScalarStyle, Tag};

use crate::diagnostic::Diagnostic;
use crate::function::Function;
use crate::node::{Call, Entry, Map, Node, NodeKind};
use crate::scalar;
use crate::suggest::did_you_mean;
use crate::text_index::TextIndex;
use crate::value::Span;

/// Deepest nesting of lists and maps that is read; the rest is named and left
/// out. Real templates stay below 30.
const MAX_DEPTH: usize = 100;

/// Folds events into nodes.
pub(super) struct Builder<'t> {
    pub(super) index: &'t TextIndex<'t>,
    open: Vec<Open>,
    /// Levels below [`MAX_DEPTH`] that are being skipped.
    skipped: usize,
    pub(super) root: Option<Node>,
    documents: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    tag: Option<ShortTag>,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Map, key: Option<Key> },
}

/// A key that waits for its value.
enum Key {
    Named(String, Span),
    /// A fault was reported; the value is dropped.
    Faulty,
}

/// A tag that names a function.
#[derive(Clone, Copy)]
struct ShortTag {
    function: Function,
    span: Span,
}

impl<'t> Builder<'t> {
    pub(super) fn new(index: &'t TextIndex<'t>) -> Self {
        Self {
            index,
            open: Vec::new(),
            skipped: 0,
            root: None,
            documents: 0,
            diagnostics: Vec::new(),
        }
    }

    pub(super) fn handle(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::DocumentStart(_) => self.start_document(span),
            Event::MappingStart(anchor, tag) => {
                let entries = Map::new();
                let content = Content::Map { entries, key: None };
                self.start(content, anchor, tag.as_deref(), span);
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(Content::List(Vec::new()), anchor, tag.as_deref(), span);
            }
            Event::MappingEnd | Event::SequenceEnd => self.end(span),
            Event::Scalar(text, style, anchor, tag) if self.skipped == 0 => {
                self.refuse_anchor(anchor, span);
                self.scalar(&text, style, tag.as_deref(), span);
            }
            Event::Alias(_) if self.skipped == 0 => {
                self.diagnostics.push(
                    Diagnostic::error("alias", span, format!("alias `{}`", self.index.slice(span)))
                        .with_hint("CloudFormation knows no YAML aliases: write the value out"),
                );
                self.attach_hole(span);
            }
            _ => {}
        }
    }

    fn start_document(&mut self, span: Span) {
        self.documents += 1;
        if self.documents == 2 {
            self.diagnostics.push(
                Diagnostic::error(
                    "second-document",
                    span,
                    "a second YAML document begins here",
                )
                .with_hint("a template is one document: remove the `---`"),
            );
        }
    }

    fn start(&mut self, content: Content, anchor: usize, tag: Option<&Tag>, span: Span) {
        if self.skipped > 0 || self.open.len() >= MAX_DEPTH {
            if self.skipped == 0 {
                let message = format!("nested more than {MAX_DEPTH} levels deep");
                self.diagnostics
                    .push(Diagnostic::error("too-deep", span, message));
            }
            self.skipped += 1;
            return;
        }
        self.refuse_anchor(anchor, span);
        let tag = tag.and_then(|tag| self.function_of(tag, span));
        self.open.push(Open { span, tag, content });
    }

    fn end(&mut self, end: Span) {
        if self.skipped > 0 {
            self.skipped -= 1;
            if self.skipped == 0 {
                self.attach_hole(end);
            }
            return;
        }
        let Some(open) = self.open.pop() else { return };
        let span = self.collection_span(open.span, end);
        let kind = match open.content {
            Content::List(items) => NodeKind::List(items),
            Content::Map { entries, .. } => self.map_kind(entries),
        };
        let node = Node { kind, span };
        self.attach(match open.tag {
            Some(tag) => call(tag, node),
            None => node,
        });
    }

    /// From the first character to the last that is not white space.
    fn collection_span(&self, start: Span, end: Span) -> Span {
        let whole = Span {
            end: end.end.max(start.end),
            ..start
        };
        let text = self.index.slice(whole).trim_end();
        Span {
            end: start.start + text.len(),
            ..start
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) {
        if self.awaits_key() {
            self.key(text, style, span);
            return;
        }
        let is_text = tag.is_some_and(|tag| {
            tag.suffix == "!" || (tag.is_yaml_core_schema() && tag.suffix == "str")
        });
        let tag = tag.and_then(|tag| self.function_of(tag, span));
        // a scalar with a tag of its own stays the text it is
        let is_text = is_text || tag.is_some() || style != ScalarStyle::Plain;
        let kind = if is_text {
            NodeKind::String(text.to_owned())
        } else {
            scalar::resolve(text)
        };
        if !is_text && scalar::is_octal(text) {
            let message = format!("`{text}` is an octal number to YAML 1.1");
            let hint = format!("write \"{text}\" to keep it as it is");
            let warning = Diagnostic::warning("octal-number", span, message);
            self.diagnostics.push(warning.with_hint(hint));
        }
        let span = match tag {
            Some(tag) => after_tag(self.index, tag.span, span),
            None => span,
        };
        let node = Node { kind, span };
        self.attach(match tag {
            Some(tag) => call(tag, node),
            None => node,
        });
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.open.last().map(|open| &open.content),
            Some(Content::Map { key: None, .. })
        )
    }

    fn key(&mut self, text: &str, style: ScalarStyle, span: Span) {
        let is_merge = text == "<<" && style == ScalarStyle::Plain;
        if is_merge {
            self.diagnostics.push(
                Diagnostic::error("merge-key", span, "merge key `<<`")
                    .with_hint("CloudFormation knows no YAML merge keys: write the entries out"),
            );
        }
        let Some(Open {
            content: Content::Map { entries, key },
            ..
        }) = self.open.last_mut()
        else {
            return;
        };
        if is_merge {
            *key = Some(Key::Faulty);
            return;
        }
        let Some(first) = entries.get(text) else {
            *key = Some(Key::Named(text.to_owned(), span));
            return;
        };
        self.diagnostics.push(
            Diagnostic::error(
                "duplicate-key",
                span,
                format!("key `{text}` stands here twice"),
            )
            .with_related(first.key_span, "first here")
            .with_hint("remove one of the two, or give it another name"),
        );
        *key = Some(Key::Faulty);
    }

    /// Puts nothing where a node would be; why was said already.
    fn attach_hole(&mut self, span: Span) {
        let faults = self.diagnostics.len();
        let kind = NodeKind::Null;
        self.attach(Node { kind, span });
        self.diagnostics.truncate(faults);
    }

    /// The innermost collection in brackets that is still open.
    pub(super) fn unclosed(&self) -> Option<Span> {
        let open = self.open.last()?;
        let start = Span {
            end: open.span.start + 1,
            ..open.span
        };
        matches!(self.index.slice(start), "[" | "{").then_some(start)
    }

    /// Forgets what was open, to go on elsewhere.
    pub(super) fn start_over(&mut self) {
        self.open.clear();
        self.skipped = 0;
        self.documents = 0;
        self.root = None;
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            if self.documents <= 1 {
                self.root = Some(node);
            }
            return;
        };
        let Content::Map { entries, key } = &mut open.content else {
            let Content::List(items) = &mut open.content else {
                return;
            };
            refuse_null(&node, None, &mut self.diagnostics);
            items.push(node);
            return;
        };
        match key.take() {
            Some(Key::Named(name, key_span)) => {
                refuse_null(&node, Some((&name, key_span)), &mut self.diagnostics);
                let value = node;
                entries.insert(name, Entry { key_span, value });
            }
            Some(Key::Faulty) => {}
            None => {
                let message = format!("a key must be text, not {}", node.describe());
                self.diagnostics
                    .push(Diagnostic::error("faulty-key", node.span, message));
                *key = Some(Key::Faulty);
            }
        }
    }

    /// A map of one entry whose key is a function's name is a call of it.
    fn map_kind(&mut self, mut entries: Map) -> NodeKind {
        if entries.len() == 1
            && let Some((name, entry)) = entries.first()
            && let Some(function) = Function::from_key(name)
        {
            let name_span = entry.key_span;
            let argument = entries.pop().expect("it has one entry").1.value;
            return NodeKind::Call(Box::new(Call {
                function,
                name_span,
                argument,
            }));
        }
        for (name, entry) in &entries {
            if let Some(fault) = misplaced_function(name, entry.key_span) {
                self.diagnostics.push(fault);
            }
        }
        NodeKind::Map(entries)
    }

    /// The function a tag names; anything else but the core schema is a fault.
    fn function_of(&mut self, tag: &Tag, span: Span) -> Option<ShortTag> {
        if tag.is_yaml_core_schema() || tag.suffix == "!" || tag.suffix.is_empty() {
            return None;
        }
        let span = self.tag_span(tag, span);
        let function = (tag.handle == "!").then(|| Function::from_tag(&tag.suffix));
        if let Some(function) = function.flatten() {
            return Some(ShortTag { function, span });
        }
        let message = format!("unknown tag `{tag}`");
        let hint = did_you_mean(&tag.suffix, Function::tags())
            .map(|hint| hint.replace("mean `", "mean `!"));
        self.diagnostics
            .push(Diagnostic::error("unknown-tag", span, message).with_hint_if(hint));
        None
    }

    /// The place of the tag that belongs to a node: the node's span starts at
    /// its tag or at an anchor before it.
    fn tag_span(&self, tag: &Tag, node: Span) -> Span {
        let written = format!("!{}", tag.suffix);
        self.index.near(node, &written).unwrap_or(node)
    }

    fn refuse_anchor(&mut self, anchor: usize, span: Span) {
        if anchor > 0 {
            self.diagnostics.push(
                Diagnostic::error("anchor", span, "a YAML anchor (`&name`)")
                    .with_hint("CloudFormation knows no anchors: write the value out"),
            );
        }
    }
}

/// The span of a scalar without the tag before it.
fn after_tag(index: &TextIndex<'_>, tag: Span, node: Span) -> Span {
    if tag.start != node.start {
        return node;
    }
    let rest = index.slice(Span {
        start: tag.end,
        ..node
    });
    let skipped = rest.len() - rest.trim_start().len();
    if rest[..skipped].contains('\n') || skipped == rest.len() {
        return node;
    }
    Span {
        start: tag.end + skipped,
        end: node.end,
        line: node.line,
        column: node.column + (tag.end - tag.start) + skipped,
    }
}

fn call(tag: ShortTag, argument: Node) -> Node {
    let span = Span {
        end: argument.span.end.max(tag.span.end),
        ..tag.span
    };
    let kind = NodeKind::Call(Box::new(Call {
        function: tag.function,
        name_span: tag.span,
        argument,
    }));
    Node { kind, span }
}

fn refuse_null(node: &Node, key: Option<(&str, Span)>, diagnostics: &mut Vec<Diagnostic>) {
    if node.kind != NodeKind::Null {
        return;
    }
    let (message, span) = match key {
        Some((name, span)) => (format!("`{name}` has no value"), span),
        None => ("an empty list item".to_owned(), node.span),
    };
    diagnostics.push(Diagnostic::error("null-value", span, message).with_hint(
        "give it a value or remove it; to leave a property out use `!Ref AWS::NoValue`",
    ));
}

/// A function's name among other keys, or a function nobody knows.
fn misplaced_function(name: &str, span: Span) -> Option<Diagnostic> {
    let is_free = name.starts_with("Fn::ForEach::") || name == "Fn::Transform";
    if !name.starts_with("Fn::") || is_free {
        return None;
    }
    if Function::from_key(name).is_some() {
        let message = format!("`{name}` stands among other keys");
        return Some(
            Diagnostic::error("function-among-keys", span, message)
                .with_hint("a function must be the only key of its map"),
        );
    }
    let message = format!("unknown function `{name}`");
    let hint = did_you_mean(name, Function::names());
    Some(Diagnostic::error("unknown-function", span, message).with_hint_if(hint))
}
