//! What does this CloudFormation template say?
//!
//! Text becomes a [`Template`] whose every node knows its line, and a template
//! evaluated with parameters for one account and region becomes a [`Stack`].
//! What the resources *mean* is left to the `model` crate.
//!
//! ```
//! let text = "
//! Resources:
//!   Vpc:
//!     Type: AWS::EC2::VPC
//!     Properties: {CidrBlock: 10.0.0.0/16}
//!   Subnet:
//!     Type: AWS::EC2::Subnet
//!     Properties:
//!       VpcId: !Ref Vpc
//!       CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
//! ";
//! let (template, faults) = cfn::parse("network.yaml", text);
//! assert!(faults.is_empty());
//! let environment = cfn::Environment {
//!     account_id: "123456789012".into(),
//!     region: "ap-northeast-2".into(),
//!     stack_name: "network".into(),
//!     parameters: [].into(),
//! };
//! let (stack, faults) = cfn::evaluate(&template, &environment);
//! assert!(faults.is_empty());
//! let subnet = &stack.resources["Subnet"];
//! assert_eq!(subnet.properties.get("CidrBlock").unwrap().as_text(), Some("10.0.1.0/24"));
//! assert_eq!(subnet.depends_on, ["Vpc"]);
//! ```
#![deny(clippy::disallowed_methods)]

mod check;
mod condition;
mod constraint;
mod diagnostic;
mod dynamic_reference;
mod evaluate;
mod function;
mod graph;
mod intrinsic;
mod limits;
mod node;
mod parameter;
mod parameter_file;
mod rule;
mod scalar;
mod scope;
mod stack;
mod suggest;
mod symbol;
mod syntax;
mod template;
mod text_index;
mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use evaluate::evaluate;
pub use function::Function;
pub use node::{Call, Entry, Map, Node, NodeKind};
pub use parameter_file::{ParameterFileError, parse_parameters};
pub use stack::{Environment, Output, Resource, ResourceProvenance, Stack};
pub use symbol::Symbol;
pub use template::{Declaration, Source, Template, parse};
pub use value::{Fragment, Kind, Provenance, Span, Value};
