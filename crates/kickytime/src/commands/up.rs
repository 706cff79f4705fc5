//! `kickytime up`: the whole system of a template on this machine.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use region::apply::{self, EntryPoint, Options};
use region::host::launch::{HostTask, Inside, Launch, launch};
use region::plan::{Settings, plan};
use region::state::StateDirectory;

use crate::cli::Up;
use crate::error::CommandError;
use crate::render::{self, Terminal};
use crate::sign_in;
use crate::source::{self, Loaded};

pub(crate) fn run(arguments: &Up, terminal: &Terminal) -> Result<ExitCode, CommandError> {
    let fallback = source::local_parameters(&arguments.template.template)?;
    let loaded = source::load(&arguments.template, &fallback)?;
    if !is_usable(arguments, &loaded, terminal) {
        return Ok(ExitCode::from(2));
    }
    // once without anybody's password, so that faults are told before anything is started
    let settings = Settings {
        site_port: arguments.port,
        sign_ins: Vec::new(),
    };
    if let Err(faults) = plan(&loaded.model, &loaded.source.name, &settings) {
        render::talk(render::human::plan_faults(&loaded.source, &faults, terminal).trim_end());
        return Ok(ExitCode::from(2));
    }
    let wanted = Launch {
        // without a site there is nothing behind its door
        doors: std::iter::once(arguments.aws_port)
            .chain((!loaded.model.distributions.is_empty()).then_some(arguments.port))
            .collect(),
        tasks: if needs_image(&loaded) {
            build(arguments)?.into_iter().collect()
        } else {
            Vec::new()
        },
    };
    let color = terminal.color;
    let status = launch(&wanted, |inside| {
        let terminal = Terminal { color };
        match inside_region(arguments, &loaded, inside, &terminal) {
            Ok(status) => status,
            Err(error) => {
                render::error(&error, &terminal);
                2
            }
        }
    });
    Ok(ExitCode::from(status?))
}

/// Faults, parameters without a value, and what cannot be run, all told here.
fn is_usable(arguments: &Up, loaded: &Loaded, terminal: &Terminal) -> bool {
    let mut text = render::human::diagnostics(&loaded.source, &loaded.diagnostics, terminal);
    let missing = loaded.stack.missing_parameters();
    let file = source::local_parameter_file(&arguments.template.template);
    for name in &missing {
        text += &format!(
            "error: parameter `{name}` has no value\nhint: give it with --parameter {name}=VALUE, \
             or in {}\n",
            file.display()
        );
    }
    // without a parameter's value, what hangs on it cannot be understood either
    let gaps = loaded
        .model
        .not_analysed
        .iter()
        .filter(|_| missing.is_empty());
    for entry in gaps {
        let place = &entry.provenance;
        text += &format!(
            "error: cannot run {} ({}, {}:{}:{})\n",
            entry.subject, place.logical_id, loaded.source.name, place.span.line, place.span.column
        );
    }
    if !text.is_empty() {
        render::talk(text.trim_end());
    }
    !loaded.has_errors() && missing.is_empty() && loaded.model.not_analysed.is_empty()
}

/// Whether the template runs programs at all.
fn needs_image(loaded: &Loaded) -> bool {
    let model = &loaded.model;
    !(model.services.is_empty() && model.auto_scaling_groups.is_empty())
}

/// The build of the image's program, unless one is given or nothing can be built.
fn build(arguments: &Up) -> Result<Option<HostTask>, CommandError> {
    if let Some(program) = &arguments.server {
        let found = program.is_file();
        let failed = || CommandError::Read {
            path: program.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        return if found { Ok(None) } else { Err(failed()) };
    }
    if !Path::new("Cargo.toml").is_file() {
        return Err(CommandError::NoImage);
    }
    // the default members, as `cargo run` has them: so both share every dependency
    let mut words = vec!["build", "--bin", apply::image::PROGRAM];
    words.extend(["--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        words.push("--release");
    }
    Ok(Some(HostTask {
        name: "building the image".to_owned(),
        program: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        arguments: words.into_iter().map(OsString::from).collect(),
        environment: Vec::new(),
        directory: None,
    }))
}

fn inside_region(
    arguments: &Up,
    loaded: &Loaded,
    inside: Inside,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let state = StateDirectory::open(&arguments.state.directory, arguments.fresh)?;
    let people = sign_in::people(state.path())?;
    let settings = Settings {
        site_port: arguments.port,
        sign_ins: sign_in::for_plan(&people),
    };
    let blueprint = plan(&loaded.model, &loaded.source.name, &settings)
        .expect("it had no fault before, and people add none");
    let directory = arguments.state.directory.clone();
    let progress = render::progress::Progress::new(terminal, directory);
    let program = arguments
        .server
        .as_ref()
        .map(std::fs::canonicalize)
        .transpose();
    let program = program.map_err(|source| CommandError::Read {
        path: arguments.server.clone().unwrap_or_default(),
        source,
    })?;
    let options = Options {
        state,
        entry_point: program.map_or(EntryPoint::Build, EntryPoint::File),
        web: arguments.web.clone(),
        fast_database: arguments.fast_database,
        agent: std::env::current_exe().ok(),
        sign_ins: sign_in::for_status(&people),
        listener: Arc::new(move |event| progress.show(event)),
    };
    apply::run(inside, blueprint, options)?;
    Ok(0)
}
