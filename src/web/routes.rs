//! THE table: every path that is answered, by what, and who may ask. What does not stand here does not exist.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::{self, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::refused::Refused;
use super::who::Role::{self, Administer, Label, Look};
use super::{
    App, MAX_BODY_BYTES, alive, answering, api, event, gallery, guard, history, learning, login, metrics_text, page,
    progress, ready, review, setup,
};

/// A path, and who may ask for it by which method.
pub(super) struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "the handler has it too; tests hold it against the document"))]
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// None: anybody who comes by a name of ours.
    pub(super) needs: Option<Role>,
    handler: MethodRouter<App>,
}

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(None, "/healthz", alive),
        get(None, "/readyz", ready),
        get(None, "/style.css", page::style),
        get(None, "/live.js", page::script),
        get(None, "/answers.js", page::answers_script),
        get(None, "/review.js", page::review_script),
        get(None, "/setup.js", setup::script),
        get(None, "/eyes.svg", page::logo),
        get(None, "/login", login::form),
        post(None, "/login", login::log_in),
        post(None, "/logout", login::log_out),
        get(Some(Look), "/", page::live),
        get(Some(Label), "/review", review::review),
        get(Some(Label), "/review/cards", review::more),
        get(Some(Label), "/review/learning", learning::learning),
        post(Some(Label), "/review/answer", answering::answer),
        post(Some(Label), "/review/skip", answering::skip),
        post(Some(Label), "/review/undo", answering::undo),
        get(Some(Look), "/events/{id}", event::event),
        post(Some(Label), "/events/{id}/label", event::label),
        post(Some(Label), "/events/{id}/take-back", event::take_back),
        get(Some(Look), "/gallery", gallery::gallery),
        post(Some(Label), "/gallery/label", gallery::label),
        post(Some(Label), "/gallery/take-back", gallery::take_back),
        get(Some(Look), "/progress", progress::progress),
        get(Some(Look), "/history", history::history),
        post(Some(Administer), "/history/promote", history::promote),
        post(Some(Administer), "/history/rollback", history::roll_back),
        get(Some(Administer), "/cameras", setup::cameras),
        get(Some(Administer), "/cameras/{name}/setup", setup::setup),
        post(Some(Administer), "/cameras/{name}/setup/try", setup::try_it),
        post(Some(Administer), "/cameras/{name}/setup/save", setup::save),
        post(Some(Administer), "/cameras/{name}/setup/restore", setup::restore),
        get(Some(Look), "/metrics", metrics_text),
        get(Some(Look), "/media/{id}", api::media::media),
        get(Some(Look), "/api/v1/openapi.json", api::openapi),
        get(Some(Look), "/api/v1/cameras", api::cameras::cameras),
        get(Some(Look), "/api/v1/cameras/{name}/picture", api::media::picture),
        get(Some(Administer), "/api/v1/cameras/{name}/settings", api::setup::settings),
        post(Some(Administer), "/api/v1/cameras/{name}/settings", api::setup::save),
        post(Some(Administer), "/api/v1/cameras/{name}/settings/{number}/restore", api::setup::restore),
        get(Some(Administer), "/api/v1/cameras/{name}/trial", api::setup::trial),
        post(Some(Administer), "/api/v1/cameras/{name}/trial", api::setup::try_it),
        get(Some(Administer), "/api/v1/cameras/{name}/tape/{at_ms}", api::setup::picture),
        get(Some(Look), "/api/v1/events", api::events::events),
        get(Some(Look), "/api/v1/events/{id}", api::events::event),
        post(Some(Label), "/api/v1/events/{id}/labels", api::labels::give),
        get(Some(Look), "/api/v1/labels", api::labels::labels),
        delete(Some(Label), "/api/v1/labels/{id}", api::labels::take_back),
        get(Some(Label), "/api/v1/queue", api::queue::lend),
        post(Some(Label), "/api/v1/queue/undo", api::queue::undo),
        post(Some(Label), "/api/v1/queue/{id}/skip", api::queue::skip),
        post(Some(Label), "/api/v1/queue/{id}/release", api::queue::release),
        post(Some(Label), "/api/v1/moments/{question}/labels", api::queue::answer_moment),
        get(Some(Look), "/api/v1/generations", api::generations::list),
        get(Some(Look), "/api/v1/generations/{task}/{number}", api::generations::show),
        post(Some(Administer), "/api/v1/generations/{task}/{number}/promote", api::generations::promote),
        post(Some(Administer), "/api/v1/generations/{task}/rollback", api::generations::roll_back),
    ]
}

/// All of them, behind the guard.
pub(super) fn router(app: App) -> Router {
    let mut router = Router::new();
    for it in routes() {
        let handler = match it.needs {
            Some(role) => it.handler.route_layer(from_fn_with_state(role, guard::needs)),
            None => it.handler,
        };
        router = router.route(it.path, handler);
    }
    router
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn nowhere(uri: Uri) -> Response {
    Refused::missing(format!("there is nothing at {}", uri.path())).into_response()
}

fn get<H: Handler<T, App>, T: 'static>(needs: Option<Role>, path: &'static str, handler: H) -> Route {
    Route { method: Method::GET, path, needs, handler: on(MethodFilter::GET, handler) }
}

fn post<H: Handler<T, App>, T: 'static>(needs: Option<Role>, path: &'static str, handler: H) -> Route {
    Route { method: Method::POST, path, needs, handler: on(MethodFilter::POST, handler) }
}

fn delete<H: Handler<T, App>, T: 'static>(needs: Option<Role>, path: &'static str, handler: H) -> Route {
    Route { method: Method::DELETE, path, needs, handler: on(MethodFilter::DELETE, handler) }
}
