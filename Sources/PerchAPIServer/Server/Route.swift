// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// What a request asks for.
enum Route {
    /// `POST /events/{name}`, or `POST /events`, where every line names its event.
    case events(name: String?)
    /// `POST /hooks/{name}`.
    case hook(String)
    /// `GET /health`.
    case health
    /// `GET /ready`.
    case ready
    /// `GET /metrics`.
    case metrics
    /// `GET /login` and `POST /login`.
    case login
    /// `POST /logout`.
    case logout
    /// What is served behind `/api/v2`.
    case rest(EndpointMatch)
    /// A page, or a form of one.
    case page(PageMatch)

    /// - Parameter takesEvents: Whether there are paths for events.
    /// - Throws: `Refusal`: 404 for an unknown path, 405 for a method that the path does not know.
    init(method: HTTPRequest.Method, target: RequestTarget, takesEvents: Bool) throws(Refusal) {
        switch target.path {
        case ["health"]:
            try Self.require(method, [.get, .head])
            self = .health
        case ["ready"]:
            try Self.require(method, [.get, .head])
            self = .ready
        case ["metrics"]:
            try Self.require(method, [.get, .head])
            self = .metrics
        case ["login"] where takesEvents:
            try Self.require(method, [.get, .head, .post])
            self = .login
        case ["logout"] where takesEvents:
            try Self.require(method, [.post])
            self = .logout
        case let path where takesEvents && path.starts(with: RESTAPI.root):
            let match = try EndpointTable.match(method, Array(path.dropFirst(RESTAPI.root.count)))
            if case .events = match.endpoint.service {
                self = .events(name: match.names["name"])
            } else {
                self = .rest(match)
            }
        case let path where takesEvents && path.count == 2 && path[0] == "hooks" && !path[1].isEmpty:
            try Self.require(method, [.post])
            self = .hook(path[1])
        case ["events"] where takesEvents:
            try Self.require(method, [.post])
            self = .events(name: nil)
        case let path where takesEvents && path.count == 2 && path[0] == "events" && !path[1].isEmpty:
            try Self.require(method, [.post])
            self = .events(name: path[1])
        default:
            if takesEvents, let match = try PageTable.match(method, target.path) {
                self = .page(match)
                return
            }
            let shown = "/" + target.path.joined(separator: "/")
            let isEvents = target.path.first == "events"
            let hint = isEvents && takesEvents ? " (a '/' in an event's name is written %2F)" : ""
            let ways =
                takesEvents
                ? "pages at /, POST /events/{name}, POST /events, POST /hooks/{name}, what GET /api/v2/openapi.json tells, "
                : ""
            let more = isEvents && !takesEvents ? "; events are taken where api.listen says" : ""
            throw Refusal(
                .notFound, "not_found",
                "there is no \(shown.shown())\(hint); there are \(ways)GET /health, GET /ready and GET /metrics\(more)")
        }
    }

    private static func require(
        _ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]
    ) throws(Refusal) {
        guard !allowed.contains(method) else { return }
        let names = allowed.map(\.rawValue).joined(separator: ", ")
        throw Refusal(
            .methodNotAllowed, "method_not_allowed", "\(method.rawValue.shown(20)) is not served here; \(names) is",
            [.allow: names])
    }
}
