//! The sign-in page, and signing out.

use super::page::{self, ADDRESS};
use super::session::{SignedIn, cookie, cookie_of, role_of};
use super::{Address, Fault};
use crate::keys::{random_hex, same_secret};
use crate::service::AppState;
use crate::service::problem::Problem;
use crate::service::request::Peer;
use axum::Extension;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What the sign-in form must bring back: before there is a session, another site could else sign somebody in as itself.
const COOKIE: &str = "titer-sign-in";
const FORM_LIFETIME: Duration = Duration::from_hours(1);

#[derive(Deserialize)]
pub(crate) struct Asked {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    token: String,
    form: String,
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct Leave {
    form: String,
}

pub(crate) async fn form(State(app): State<AppState>, Address(asked): Address<Asked>) -> Result<Response, Fault> {
    shown(&app, StatusCode::OK, None, asked.next.as_deref().unwrap_or(ADDRESS))
}

/// Takes a token. Every attempt counts against the address that it comes from.
pub(crate) async fn enter(
    State(app): State<AppState>,
    from: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(entry): Form<Entry>,
) -> Result<Response, Fault> {
    let address =
        from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(Peer(from))| app.limits.caller(from.ip(), &headers));
    if !app.sessions.may_try(address) {
        let words = "Too many attempts. Wait a minute, then try again.";
        return shown(&app, StatusCode::TOO_MANY_REQUESTS, Some(words), &entry.next);
    }
    let given = cookie_of(&headers, COOKIE).unwrap_or_default();
    if given.is_empty() || !same_secret(given.as_bytes(), entry.form.as_bytes()) {
        return shown(&app, StatusCode::FORBIDDEN, Some("This page was open for too long. Try again."), &entry.next);
    }
    let token = entry.token.trim();
    let Some(role) = role_of(&app, token).await else {
        tracing::warn!(%address, "somebody at {address} tried to sign in to the console with a token that is none");
        return shown(&app, StatusCode::UNAUTHORIZED, Some("That is not an operator's token."), &entry.next);
    };
    tracing::info!(%address, %role, "somebody at {address} signed in to the console as {role}");
    let session = app.sessions.begin(token).map_err(|e| Problem::internal(&e))?;
    let cookies = [(header::SET_COOKIE, session), (header::SET_COOKIE, form_cookie(&app, "", Duration::ZERO))];
    Ok((AppendHeaders(cookies), Redirect::to(inside(&entry.next))).into_response())
}

pub(crate) async fn leave(
    State(app): State<AppState>,
    who: SignedIn,
    headers: HeaderMap,
    Form(leave): Form<Leave>,
) -> Result<Response, Fault> {
    if !same_secret(leave.form.as_bytes(), who.form.as_bytes()) {
        return Err(Fault::new(StatusCode::FORBIDDEN, "The form was not one of this session."));
    }
    let ended = app.sessions.end(&headers);
    Ok(([(header::SET_COOKIE, ended)], Redirect::to("/console/sign-in")).into_response())
}

fn shown(app: &AppState, status: StatusCode, words: Option<&str>, next: &str) -> Result<Response, Fault> {
    let word = random_hex(16).map_err(|e| Problem::internal(&e))?;
    let body = page::bare(
        "Sign in",
        &html! {
            form.sign-in method="post" action="/console/sign-in" {
                h1 { "Titer" }
                @if let Some(words) = words { p.alert role="alert" { (words) } }
                label for="token" { "Operator’s token" }
                input #token type="password" name="token" required autofocus autocomplete="current-password" spellcheck="false";
                input type="hidden" name="form" value=(word);
                input type="hidden" name="next" value=(inside(next));
                button type="submit" { "Sign in" }
                p.hint { "Made by " code { "titer admin operator add" } "; the service keeps the first one in " code { "operator-token" } " in its data folder." }
            }
        },
    );
    Ok((status, [(header::SET_COOKIE, form_cookie(app, &word, FORM_LIFETIME))], body).into_response())
}

fn form_cookie(app: &AppState, word: &str, lifetime: Duration) -> String {
    cookie(COOKIE, word, lifetime, app.sessions.secure)
}

/// A page of the console, or the overview: nobody is led elsewhere by signing in.
fn inside(next: &str) -> &str {
    let page = next.strip_prefix(ADDRESS).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if page && plain && !next.contains("//") { next } else { ADDRESS }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn nobody_is_led_elsewhere() {
        for page in ["/console", "/console/threats?by=threat&q=a%20b"] {
            assert_eq!(inside(page), page);
        }
        for elsewhere in
            ["//evil.example", "https://evil.example/console", "/consoles", "/console//x", "/console/\\x", "/console/\r\nx"]
        {
            assert_eq!(inside(elsewhere), "/console", "{elsewhere:?}");
        }
    }
}
