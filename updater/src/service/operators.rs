//! Operators enter other operators.

use crate::keys::random_hex;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::problem::Problem;
use crate::wire::{Empty, NewOperator, OperatorName, OperatorRow, OperatorToken, Sha256Hex};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};

const TOKEN_BYTES: usize = 32;

/// Every operator there ever was.
#[utoipa::path(get, path = "/v1/operators", responses((status = 200, body = [OperatorRow])))]
pub(crate) async fn list(State(app): State<AppState>) -> Result<Json<Vec<OperatorRow>>, Problem> {
    Ok(Json(app.store.operators().await?))
}

/// Makes a token for an operator. It is shown this once; the service keeps its digest. Code: `operator_taken`.
#[utoipa::path(post, path = "/v1/operators", request_body = NewOperator, responses((status = 200, body = OperatorToken)))]
pub(crate) async fn add(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<OperatorToken>, Problem> {
    let NewOperator { name, role } = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    let token = format!("to1.{}", random_hex(TOKEN_BYTES).map_err(|e| Problem::internal(&e))?);
    if !app.store.add_operator(&caller.who, &name, role, &Sha256Hex::of(token.as_bytes())).await? {
        let detail = format!("there is or was an operator `{name}`; take another name");
        return Err(Problem::conflict("operator_taken", detail));
    }
    Ok(Json(OperatorToken { name, role, token }))
}

/// Takes an operator's token out of force, at once. Code: `operator_unknown`.
#[utoipa::path(
    post,
    path = "/v1/operators/{name}/revoke",
    params(("name" = OperatorName, Path, description = "The operator.")),
    responses((status = 200, body = Empty))
)]
pub(crate) async fn revoke(
    State(app): State<AppState>,
    caller: Caller,
    Path(name): Path<OperatorName>,
) -> Result<Json<Empty>, Problem> {
    if app.store.revoke_operator(&caller.who, &name).await? {
        return Ok(Json(Empty {}));
    }
    Err(Problem::not_found("operator_unknown", format!("there is no operator `{name}`")))
}
