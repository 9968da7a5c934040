//! `titer admin operator`.

use super::print;
use crate::args::{OperatorArgs, OperatorCommand};
use crate::output::{remark, say, time};
use serde_json::json;
use updater::operator::Operator;

pub(super) async fn run(args: &OperatorArgs, operator: &Operator, json: bool) -> anyhow::Result<()> {
    match &args.command {
        OperatorCommand::Add { name, role } => {
            let made = operator.add_operator(name, *role).await?;
            if json {
                print(&json!(made))?;
            } else {
                say!("{}", made.token);
                remark!("this is {name}'s token, with the role {role}; nobody can show it again");
            }
        }
        OperatorCommand::List => {
            let rows = operator.operators().await?;
            if json {
                rows.iter().try_for_each(|row| print(&json!(row)))?;
                return Ok(());
            }
            say!("{:<20} {:<11} {:<21} {:<21} made by", "operator", "role", "last used", "revoked");
            for row in rows {
                let moment = |at: Option<i64>| at.and_then(time).unwrap_or_else(|| "-".to_owned());
                let (used, revoked) = (moment(row.last_used), moment(row.revoked_at));
                say!("{:<20} {:<11} {used:<21} {revoked:<21} {}", row.name, row.role, row.created_by);
            }
        }
        OperatorCommand::Revoke { name } => {
            operator.revoke_operator(name).await?;
            if json {
                print(&json!({ "revoked": name }))?;
            } else {
                say!("{name}'s token is out of force");
            }
        }
    }
    Ok(())
}
