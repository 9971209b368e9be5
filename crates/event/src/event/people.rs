//! The people of a session: its owner, and its members.

use serde::{Deserialize, Serialize, Serializer};

/// The session's new owner: `conference_id` and `conference_name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// The kind of owner: `rep` and `team` in the guide's examples. Any other is kept.
    pub kind: String,
    /// The owner's id. Text, though the guide's examples look like numbers.
    pub id: String,
    /// The name of the representative or team.
    pub name: String,
}

impl Conference {
    /// Splits `conference_id` (`rep:12`, `team:5`) at its first colon.
    pub(crate) fn split_id(text: &str) -> Result<(String, String), &'static str> {
        match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok((kind.to_owned(), id.to_owned())),
            _ => Err("is not kind:id, such as rep:12 or team:5"),
        }
    }
}

/// The person who joined or left: `type`, `name` and, for representatives, `user_id` and `username`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Customer, representative or another role.
    #[serde(rename = "type")]
    pub role: MemberRole,
    /// The display name, from `name` or, where that is absent, from `display_name`. It can be empty.
    pub name: String,
    /// The representative's id. Kept for any role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The representative's username. Kept for any role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The value of the variable `type`.
///
/// The guide names two. Appliances send others, such as `external_representative`. They are kept as they are: no case
/// is folded, since nobody but the appliance knows what another spelling means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MemberRole {
    /// `customer`
    Customer,
    /// `representative`
    Representative,
    /// Any other text that is not empty.
    Other(OtherRole),
}

/// A role outside the guide's two, made by [`MemberRole::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherRole(String);

impl MemberRole {
    /// Parses the value of `type`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "customer" => Ok(Self::Customer),
            "representative" => Ok(Self::Representative),
            "" => Err("is empty; it is customer, representative or another word"),
            _ => Ok(Self::Other(OtherRole(text.to_owned()))),
        }
    }

    /// The role as the form has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Customer => "customer",
            Self::Representative => "representative",
            Self::Other(OtherRole(text)) => text,
        }
    }
}

impl TryFrom<String> for MemberRole {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl Serialize for MemberRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
