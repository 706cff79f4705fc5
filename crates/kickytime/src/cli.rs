//! The command line as people type it, and the help that teaches it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) mod operate;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Run, prove and operate an AWS system from its CloudFormation template.
///
/// `kickytime up` runs the whole system of infra/kickytime.yaml on this
/// machine: every network interface in a Linux network namespace of its own,
/// with the template's security groups, routes and policies enforced.
#[derive(Parser, Debug)]
#[command(name = "kickytime", version, propagate_version = true)]
#[command(after_help = "\
Examples:
  kickytime up                         run the system; open http://localhost:8000
  kickytime status                     what runs where
  eval \"$(kickytime env)\"              let aws-cli talk to the running region
  kickytime db                         psql on the database, through an instance
  kickytime check                      faults in the template, each with its line

Exit status: 0 yes or clean, 1 a clean no (findings), 2 could not answer.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// When to colour the output.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the template's system on this machine until Ctrl-C.
    Up(Up),
    /// Stop the running region.
    Down(State),
    /// Show what runs where: addresses, doors, health, sign-ins.
    Status(Ask),
    /// Print the variables that point AWS tools at the running region.
    #[command(after_help = "\
The credentials belong to the region's own IAM user; they open nothing else.
  eval \"$(kickytime env)\"
  aws sts get-caller-identity")]
    Env(Ask),
    /// Run a program on the running region's internet, where AWS's names lead to it.
    #[command(after_help = "\
The program finds AWS under its own names, with certificates that verify, and
needs no endpoint set: for tools that insist on `amazonaws.com`. Files and
terminal stay yours; the network is the region's.

Examples:
  kickytime exec aws sts get-caller-identity
  kickytime exec --publish 55432 -- aws ssm start-session --target i-... ...

Exit status: the program's.")]
    Exec(Exec),
    /// Open psql on the stack's database, through an instance and its security groups.
    #[command(after_help = "\
The way is a Session Manager session: no bastion, no open port, no plugin. In
the running region it is the same as in AWS, so the template's rules decide.
Arguments of psql follow `--`.

Examples:
  kickytime db
  kickytime db -- -c 'select count(*) from matches'
  kickytime db --listen --port 5555       for another program
  kickytime db --aws --profile work --region ap-northeast-2

Exit status: psql's; 2 when the way could not be opened.")]
    Db(operate::Db),
    /// Open a shell on an instance, or forward ports through it.
    #[command(after_help = "\
Examples:
  kickytime session
  kickytime session MatchesAutoScalingGroup/2
  kickytime session -L 55432:db.internal:5432 -L 8080:localhost:8080
  kickytime session i-0123456789abcdef0 --aws --profile work

Exit status: the shell's; 2 when no session could be opened.")]
    Session(operate::Session),
    /// Print what a log group holds, and follow it.
    #[command(after_help = "\
Examples:
  kickytime logs
  kickytime logs matches --follow
  kickytime logs /kickytime/users --since 2h --filter ERROR --format json")]
    Logs(operate::Logs),
    /// Report what is wrong with a template, across its resources.
    #[command(after_help = "\
A finding that is meant to be is explained beside its resource:
  Metadata:
    Kickytime::Check: [{ Rule: nat-zone, Reason: one gateway is enough for us }]

Exit status: 0 nothing at or above --fail-on, 1 something, 2 the template has errors.")]
    Check(Check),
    /// Estimate the monthly bill, and when endpoints pay.
    Cost(Cost),
    /// Draw the architecture: subnets, parts, and what the network lets pass.
    Diagram(Diagram),
    /// Print what a rule of `check` is about, or list all rules.
    Explain(Explain),
    /// Say who can reach whom, by which way, or everything that stands in it.
    #[command(after_help = "\
FROM and TO are `internet`, `cloudfront`, a logical id, an interface
(UsersService/1, eni-..., its address) or a CIDR block.
Without both, the whole matrix is printed.

Examples:
  kickytime reach
  kickytime reach internet Database:5432
  kickytime reach UsersService Database:5432
  kickytime reach 203.0.113.0/24 LoadBalancer")]
    Reach(Reach),
    /// Say whether a principal may do something, and by which statements.
    #[command(after_help = "\
PRINCIPAL is a role, a service or Auto Scaling group (its first role, calling
through the VPC's endpoints), a managed policy (whoever holds it), an ARN, an
AWS service such as logs.amazonaws.com, `root` or `anonymous`.

Examples:
  kickytime can UsersService secretsmanager:GetSecretValue DatabaseSecret
  kickytime can DeployRole iam:PassRole UsersTaskRole --context iam:PassedToService=ecs-tasks.amazonaws.com")]
    Can(Can),
    /// Say who may do something, at once, on a condition or as somebody else.
    #[command(after_help = "\
Example:
  kickytime who-can kms:Decrypt Key")]
    WhoCan(WhoCan),
    /// Be the SSM agent of the instance this runs on; `up` starts it there.
    #[command(hide = true)]
    Agent(Agent),
}

#[derive(Args, Debug)]
pub(crate) struct Agent {
    /// Nothing, or what this program starts itself with for each session.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<std::ffi::OsString>,
}

/// Which template, and with which values.
#[derive(Args, Debug, Clone)]
pub(crate) struct TemplateArguments {
    /// The CloudFormation template; `-` reads standard input.
    #[arg(default_value = "infra/kickytime.yaml", value_name = "TEMPLATE")]
    pub(crate) template: PathBuf,
    /// A parameter's value; may be repeated, and wins over the file.
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Parameter values from a file in the CloudFormation command line's form.
    #[arg(long = "parameters", value_name = "FILE")]
    pub(crate) parameter_file: Option<PathBuf>,
    /// The region to evaluate for.
    #[arg(long, default_value = "ap-northeast-2")]
    pub(crate) region: String,
    /// The stack's name [default: the template's file name].
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<String>,
}

/// Where the region keeps its data.
#[derive(Args, Debug, Clone)]
pub(crate) struct State {
    /// The state directory.
    #[arg(long = "state", default_value = ".kickytime", value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) template: TemplateArguments,
    #[command(flatten)]
    pub(crate) state: State,
    /// Start over: remove the state directory first.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Port of the site's door on 127.0.0.1.
    #[arg(long, default_value_t = 8000, value_name = "PORT")]
    pub(crate) port: u16,
    /// Port of the AWS API door on 127.0.0.1.
    #[arg(long, default_value_t = 4566, value_name = "PORT")]
    pub(crate) aws_port: u16,
    /// The `server` program to run, instead of building it from the workspace.
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// The directory of the site's static files.
    #[arg(long, default_value = "web", value_name = "DIR")]
    pub(crate) web: PathBuf,
    /// Do not make the database wait for the disk; for tests only.
    #[arg(long, hide = true)]
    pub(crate) fast_database: bool,
}

/// A question to the running region.
#[derive(Args, Debug)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) state: State,
    /// The output's form: for people (or the shell, of variables), or JSON.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) state: State,
    /// A port the program listens at, to be reached on 127.0.0.1 of this machine too; may be repeated.
    #[arg(long, value_name = "[PORT:]PORT")]
    pub(crate) publish: Vec<Publish>,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// A port of this machine and the one it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) host: u16,
    pub(crate) inside: u16,
}

impl FromStr for Publish {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, inside) = text.split_once(':').unwrap_or((text, text));
        Ok(Self {
            host: host.parse()?,
            inside: inside.parse()?,
        })
    }
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) template: TemplateArguments,
    /// The output's form.
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub(crate) format: CheckFormat,
    /// What must and must not be possible [default: intent.toml beside the template].
    #[arg(long, value_name = "FILE")]
    pub(crate) intent: Option<PathBuf>,
    /// The least severity that makes the exit status 1.
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    pub(crate) fail_on: FailOn,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    Human,
    Json,
    /// SARIF 2.1.0, as code hosting sites read it.
    Sarif,
}

/// What counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The rule's name; without it, all rules with their first sentence.
    pub(crate) rule: Option<String>,
}

/// Which template, for commands whose arguments are something else.
#[derive(Args, Debug, Clone)]
pub(crate) struct TemplateOptions {
    /// The CloudFormation template; `-` reads standard input.
    #[arg(
        long,
        short,
        default_value = "infra/kickytime.yaml",
        value_name = "FILE"
    )]
    pub(crate) template: PathBuf,
    /// A parameter's value; may be repeated, and wins over the file.
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Parameter values from a file in the CloudFormation command line's form.
    #[arg(long = "parameters", value_name = "FILE")]
    pub(crate) parameter_file: Option<PathBuf>,
    /// The region to evaluate for.
    #[arg(long, default_value = "ap-northeast-2")]
    pub(crate) region: String,
    /// The stack's name [default: the template's file name].
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<String>,
}

impl TemplateOptions {
    /// The same choice as a command would make whose argument is the template.
    pub(crate) fn arguments(&self) -> TemplateArguments {
        TemplateArguments {
            template: self.template.clone(),
            parameters: self.parameters.clone(),
            parameter_file: self.parameter_file.clone(),
            region: self.region.clone(),
            stack_name: self.stack_name.clone(),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Cost {
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// Hours a month it runs [default: 730].
    #[arg(long)]
    pub(crate) hours: Option<f64>,
    /// GB a month between workloads and AWS services.
    #[arg(long, default_value_t = 20.0, value_name = "GB")]
    pub(crate) service_gb: f64,
    /// GB a month to viewers.
    #[arg(long, default_value_t = 10.0, value_name = "GB")]
    pub(crate) viewer_gb: f64,
    /// GB a month of log events.
    #[arg(long, default_value_t = 5.0, value_name = "GB")]
    pub(crate) log_gb: f64,
    /// Write the break-even chart as a picture.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// The output's form.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Diagram {
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// The picture's form.
    #[arg(long, value_enum, default_value_t = DiagramFormat::Svg)]
    pub(crate) format: DiagramFormat,
    /// Where to write it, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How the architecture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagramFormat {
    Svg,
    Mermaid,
}

#[derive(Args, Debug)]
pub(crate) struct Can {
    pub(crate) principal: String,
    /// `service:Operation`.
    pub(crate) action: String,
    /// A logical id, an ARN, or `*`.
    #[arg(default_value = "*")]
    pub(crate) resource: String,
    #[command(flatten)]
    pub(crate) question: Question,
}

#[derive(Args, Debug)]
pub(crate) struct WhoCan {
    /// `service:Operation`.
    pub(crate) action: String,
    /// A logical id, an ARN, or `*`.
    #[arg(default_value = "*")]
    pub(crate) resource: String,
    #[command(flatten)]
    pub(crate) question: Question,
}

/// What questions about permissions have in common.
#[derive(Args, Debug)]
pub(crate) struct Question {
    /// A condition key of the request, such as `aws:SourceIp=203.0.113.7`; may be repeated.
    #[arg(long = "context", short = 'c', value_name = "KEY=VALUE")]
    pub(crate) context: Vec<String>,
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// The output's form.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Reach {
    /// Where packets come from.
    #[arg(requires = "to")]
    pub(crate) from: Option<String>,
    /// Where they are to get, with `:443`, `:8000-8080`, `:udp/53` or `:ping`.
    #[arg(value_name = "TO[:PORT]")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) template: TemplateOptions,
    /// The output's form.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}
