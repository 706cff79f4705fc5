//! What only AWS knows: values that stay symbolic and equal to themselves.

use std::fmt;

/// A value that no template text holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symbol {
    /// `Ref` of a resource: its physical id.
    Ref(String),
    /// `Fn::GetAtt` of a resource: logical id and attribute.
    GetAtt(String, String),
    /// The n-th availability zone of the stack's region (`Fn::GetAZs`), from 0.
    AvailabilityZone(usize),
    /// A parameter without a value.
    Parameter(String),
    /// `AWS::SSM::Parameter::Value<…>`, or `{{resolve:ssm:…}}`: the name in Parameter Store.
    SsmParameter(String),
    /// `{{resolve:secretsmanager:…}}` and `ssm-secure`: the whole reference, secret-typed.
    Secret(String),
    /// `Fn::ImportValue`: the export's name.
    Import(String),
    /// A function over symbols that cannot be computed; its canonical text.
    Function(String),
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ref(id) => write!(f, "${{{id}}}"),
            Self::GetAtt(id, attribute) => write!(f, "${{{id}.{attribute}}}"),
            Self::AvailabilityZone(index) => write!(f, "${{AvailabilityZone[{index}]}}"),
            Self::Parameter(name) => write!(f, "${{{name}}}"),
            Self::SsmParameter(name) => write!(f, "{{{{resolve:ssm:{name}}}}}"),
            Self::Secret(reference) => f.write_str(reference),
            Self::Import(name) => write!(f, "${{ImportValue {name}}}"),
            Self::Function(text) => f.write_str(text),
        }
    }
}
