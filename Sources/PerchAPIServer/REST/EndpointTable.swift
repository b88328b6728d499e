// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// Everything that `/api/v2` serves.
enum EndpointTable {
    static let all: [Endpoint] =
        Endpoint.monitor + Endpoint.dags + Endpoint.texts + Endpoint.runs + Endpoint.steeredRuns
        + Endpoint.taskInstances
        + Endpoint.steeredTaskInstances + Endpoint.waits + Endpoint.steeredWaits + Endpoint.events + Endpoint.pools
        + Endpoint.variables + Endpoint.connections + Endpoint.backfills + Endpoint.jobs + Endpoint.commands
        + Endpoint.audit + Endpoint.stream + Endpoint.users + Endpoint.tokens

    /// The endpoint for a path behind the root.
    /// - Throws: `Refusal`: 404 for an unknown path, 405 for a method that the path does not know.
    static func match(_ method: HTTPRequest.Method, _ path: [String]) throws(Refusal) -> EndpointMatch {
        var others: [HTTPRequest.Method] = []
        // A fixed part goes before a name: `dagRuns/bulk` is no run.
        for endpoint in all {
            guard let names = endpoint.names(in: path) else { continue }
            if endpoint.method == method || (method == .head && endpoint.method == .get) {
                return EndpointMatch(endpoint: endpoint, names: names)
            }
            others.append(endpoint.method)
            if endpoint.method == .get { others.append(.head) }
        }
        guard !others.isEmpty else {
            let shown = "/api/v2/" + path.joined(separator: "/")
            throw Refusal(
                .notFound, "not_found",
                "there is no \(shown.shown()); GET /api/v2/openapi.json says what there is (a '/' in a name is written %2F)"
            )
        }
        let names = others.map(\.rawValue).joined(separator: ", ")
        throw Refusal(
            .methodNotAllowed, "method_not_allowed", "\(method.rawValue.shown(20)) is not served here; \(names) is",
            [.allow: names])
    }
}
