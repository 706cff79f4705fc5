//! Which rule decided about a packet, back from the number the kernel carries.
//!
//! A rejected packet's mark is a stage in the top four bits and what the stage
//! needs below: the position of an access list and the entry's number, or the
//! position of a profile (an interface's list of security groups). An admitted
//! flow's connection mark has the egress rule's number in the upper half and
//! the ingress rule's in the lower; 0 is "no group was asked".

use std::fmt::{self, Display, Formatter};

use super::Direction;

pub(super) const SOURCE_CHECK: u32 = 0x1000_0000;
pub(super) const DESTINATION_CHECK: u32 = 0x1100_0000;
const GROUP_EGRESS: u32 = 0x2000_0000;
const ACCESS_LIST_EGRESS: u32 = 0x3000_0000;
const ACCESS_LIST_INGRESS: u32 = 0x4000_0000;
const GROUP_INGRESS: u32 = 0x5000_0000;
pub(super) const INVALID: u32 = 0x6000_0000;

const STAGE: u32 = 0xf000_0000;
/// AWS's own number for the entry `*` that ends every access list.
pub(super) const LAST_ENTRY: u16 = 32767;

pub(super) fn group_code(direction: Direction, profile: usize) -> u32 {
    let stage = match direction {
        Direction::Egress => GROUP_EGRESS,
        Direction::Ingress => GROUP_INGRESS,
    };
    stage | u32::try_from(profile).unwrap_or(u32::MAX) & !STAGE
}

pub(super) fn access_list_code(direction: Direction, list: usize, number: u16) -> u32 {
    let stage = match direction {
        Direction::Egress => ACCESS_LIST_EGRESS,
        Direction::Ingress => ACCESS_LIST_INGRESS,
    };
    stage | (u32::try_from(list).unwrap_or(u32::MAX) & 0xfff) << 16 | u32::from(number)
}

/// The meaning of every number a [`vpc`](super::vpc()) table can write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// The distinct lists of security groups.
    pub profiles: Vec<Vec<GroupReference>>,
    /// Security group rules; number 1 is the first.
    pub rules: Vec<RuleReference>,
    pub access_lists: Vec<AccessListReference>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReference {
    pub id: String,
    pub ingress_rules: usize,
    pub egress_rules: usize,
    pub provenance: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleReference {
    pub id: String,
    pub group: String,
    pub direction: Direction,
    pub provenance: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListReference {
    pub id: String,
    pub provenance: String,
    /// Entries that deny: direction, number, provenance.
    pub denials: Vec<(Direction, u16, String)>,
}

/// Why a packet was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It did not come from the address of the interface that sent it.
    SourceCheck,
    /// It was not for the address of the interface it was to leave by.
    DestinationCheck,
    /// No rule of these groups admits it.
    NoGroupRule {
        direction: Direction,
        groups: Vec<GroupReference>,
    },
    /// `number` 32767 is the final `*`.
    AccessList {
        direction: Direction,
        id: String,
        number: u16,
        provenance: String,
    },
    /// It belongs to no connection and cannot begin one.
    Invalid,
    /// No table of ours writes this mark.
    Unknown(u32),
}

/// The security group rules that admitted a flow; `None` where the interface
/// on that side has no groups or is outside the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission<'a> {
    pub egress: Option<&'a RuleReference>,
    pub ingress: Option<&'a RuleReference>,
}

impl Reasons {
    /// The meaning of a rejected packet's mark.
    #[must_use]
    pub fn rejected(&self, mark: u32) -> Reason {
        match mark & STAGE {
            _ if mark == SOURCE_CHECK => Reason::SourceCheck,
            _ if mark == DESTINATION_CHECK => Reason::DestinationCheck,
            _ if mark == INVALID => Reason::Invalid,
            GROUP_EGRESS => self.no_group_rule(Direction::Egress, mark),
            GROUP_INGRESS => self.no_group_rule(Direction::Ingress, mark),
            ACCESS_LIST_EGRESS => self.access_list(Direction::Egress, mark),
            ACCESS_LIST_INGRESS => self.access_list(Direction::Ingress, mark),
            _ => Reason::Unknown(mark),
        }
    }

    /// The meaning of an admitted flow's connection mark.
    #[must_use]
    pub fn admitted(&self, connection_mark: u32) -> Admission<'_> {
        let rule = |number: u32| self.rules.get((number as usize).checked_sub(1)?);
        Admission {
            egress: rule(connection_mark >> 16),
            ingress: rule(connection_mark & 0xffff),
        }
    }

    fn no_group_rule(&self, direction: Direction, mark: u32) -> Reason {
        match self.profiles.get((mark & !STAGE) as usize) {
            Some(groups) => Reason::NoGroupRule {
                direction,
                groups: groups.clone(),
            },
            None => Reason::Unknown(mark),
        }
    }

    fn access_list(&self, direction: Direction, mark: u32) -> Reason {
        let Some(list) = self.access_lists.get((mark >> 16 & 0xfff) as usize) else {
            return Reason::Unknown(mark);
        };
        let number = u16::try_from(mark & 0xffff).expect("masked to 16 bits");
        let denial = list
            .denials
            .iter()
            .find(|(d, n, _)| (*d, *n) == (direction, number));
        let provenance = denial.map_or(&list.provenance, |(_, _, provenance)| provenance);
        let provenance = provenance.clone();
        Reason::AccessList {
            direction,
            id: list.id.clone(),
            number,
            provenance,
        }
    }
}

impl Reason {
    /// Whether the packet had left its sender's interface and subnet when it
    /// was rejected: its record stands at the receiver.
    #[must_use]
    pub fn is_at_destination(&self) -> bool {
        match self {
            Self::NoGroupRule { direction, .. } | Self::AccessList { direction, .. } => {
                *direction == Direction::Ingress
            }
            Self::DestinationCheck => true,
            Self::SourceCheck | Self::Invalid | Self::Unknown(_) => false,
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceCheck => f.write_str("source check: not the interface's own address"),
            Self::DestinationCheck => {
                f.write_str("destination check: not the interface's own address")
            }
            Self::NoGroupRule { direction, groups } => no_group_rule(f, *direction, groups),
            Self::AccessList {
                direction,
                id,
                number,
                provenance,
            } => {
                write!(f, "{direction} rule ")?;
                match *number {
                    LAST_ENTRY => f.write_str("*")?,
                    number => write!(f, "{number}")?,
                }
                write!(f, " of network ACL {id} denies it")?;
                in_brackets(f, provenance)
            }
            Self::Invalid => f.write_str("invalid: belongs to no connection"),
            Self::Unknown(mark) => write!(f, "unknown reason {mark:#010x}"),
        }
    }
}

fn no_group_rule(
    f: &mut Formatter<'_>,
    direction: Direction,
    groups: &[GroupReference],
) -> fmt::Result {
    if groups.is_empty() {
        return write!(
            f,
            "no {direction} rule: the interface has no security group"
        );
    }
    for (index, group) in groups.iter().enumerate() {
        let rules = match direction {
            Direction::Ingress => group.ingress_rules,
            Direction::Egress => group.egress_rules,
        };
        f.write_str(if index == 0 { "" } else { "; " })?;
        match rules {
            0 => write!(f, "security group {} has no {direction} rule", group.id)?,
            1 => write!(
                f,
                "the one {direction} rule of security group {} does not admit it",
                group.id
            )?,
            n => write!(
                f,
                "none of the {n} {direction} rules of security group {} admits it",
                group.id
            )?,
        }
        in_brackets(f, &group.provenance)?;
    }
    Ok(())
}

fn in_brackets(f: &mut Formatter<'_>, provenance: &str) -> fmt::Result {
    if provenance.is_empty() {
        Ok(())
    } else {
        write!(f, " ({provenance})")
    }
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}
