//! From the arguments to a template, its stack and its model.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cfn::{Diagnostic, Environment, Severity, Source, Stack, Template};
use model::Model;

use crate::cli::{TemplateArguments, TemplateOptions};
use crate::error::CommandError;

/// The account of the local region: one that AWS never gives out.
pub(crate) const ACCOUNT: &str = "000000000000";

/// A template read and evaluated, with everything found on the way.
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) template: Template,
    pub(crate) environment: Environment,
    pub(crate) stack: Arc<Stack>,
    pub(crate) model: Model,
    /// In the order of the text.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads and evaluates the template. `fallback` gives values for parameters
/// that neither the arguments nor the parameter file set.
pub(crate) fn load(
    arguments: &TemplateArguments,
    fallback: &BTreeMap<String, String>,
) -> Result<Loaded, CommandError> {
    let text = read_template(&arguments.template)?;
    let name = if is_standard_input(&arguments.template) {
        "<stdin>".to_owned()
    } else {
        arguments.template.display().to_string()
    };
    let mut parameters = fallback.clone();
    if let Some(file) = &arguments.parameter_file {
        parameters.extend(read_parameters(file)?);
    }
    for text in &arguments.parameters {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| CommandError::Parameter { text: text.clone() })?;
        parameters.insert(name.to_owned(), value.to_owned());
    }
    let environment = Environment {
        account_id: ACCOUNT.to_owned(),
        region: arguments.region.clone(),
        stack_name: stack_name(arguments),
        parameters,
    };
    let (template, mut diagnostics) = cfn::parse(&name, &text);
    let (stack, faults) = cfn::evaluate(&template, &environment);
    diagnostics.extend(faults);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    let stack = Arc::new(stack);
    let model = model::lower(&stack);
    Ok(Loaded {
        source: template.source.clone(),
        template,
        environment,
        stack,
        model,
        diagnostics,
    })
}

/// Reads a template whose errors would make every answer meaningless.
/// Parameters without a value take that of the file beside the template.
pub(crate) fn load_sound(options: &TemplateOptions) -> Result<Loaded, CommandError> {
    let fallback = local_parameters(&options.template)?;
    let loaded = load(&options.arguments(), &fallback)?;
    if loaded.has_errors() {
        return Err(CommandError::Template);
    }
    Ok(loaded)
}

/// The file beside a template that lets it run locally.
pub(crate) fn local_parameter_file(template: &Path) -> PathBuf {
    template.with_extension("local.json")
}

/// The values beside a template that let it run locally: `NAME.local.json`
/// beside `NAME.yaml`; nothing when there is no such file.
pub(crate) fn local_parameters(template: &Path) -> Result<BTreeMap<String, String>, CommandError> {
    let file = local_parameter_file(template);
    if file.exists() {
        read_parameters(&file)
    } else {
        Ok(BTreeMap::new())
    }
}

fn stack_name(arguments: &TemplateArguments) -> String {
    arguments.stack_name.clone().unwrap_or_else(|| {
        let stem = arguments
            .template
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.unwrap_or_default();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name: String = stem
            .chars()
            .map(|c| if is_allowed(c) { c } else { '-' })
            .collect();
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if starts_well {
            name
        } else {
            "stack".to_owned()
        }
    })
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_template(path: &Path) -> Result<String, CommandError> {
    let failed = |source| CommandError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = if is_standard_input(path) {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        bytes
    } else {
        std::fs::read(path).map_err(failed)?
    };
    String::from_utf8(bytes).map_err(|_| CommandError::NotText {
        path: path.to_owned(),
    })
}

fn read_parameters(path: &Path) -> Result<BTreeMap<String, String>, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|source| CommandError::Read {
        path: path.to_owned(),
        source,
    })?;
    cfn::parse_parameters(&text).map_err(|reason| CommandError::ParameterFile {
        path: PathBuf::from(path),
        reason,
    })
}
