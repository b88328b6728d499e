// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("What each role may behind /api/v2", .timeLimit(.minutes(2)))
struct AccessTableTests {
    /// The least role for what is no look; a look is for viewers, unless it stands here.
    private static let least: [String: AccessRole] = [
        "POST events/{name}": .events, "GET auditLog": .admin,
        // Each command asks for its own role; that of the least one lets in.
        "POST commands": .events,
        "PATCH dags/{dag_id}": .user, "POST dags/{dag_id}/dagRuns": .user, "POST dags/{dag_id}/dagRuns/bulk": .user,
        "PATCH dags/{dag_id}/dagRuns/{dag_run_id}": .operator,
        "POST dags/{dag_id}/clearTaskInstances": .operator,
        "PATCH dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}": .operator,
        // Approvals are answered by it; what else waits is for operators, as another test says.
        "POST deferred/{wait_id}/fire": .user,
        "POST deferred/{wait_id}/cancel": .operator, "POST deferred/{wait_id}/extend": .operator,
        "GET users": .admin, "GET users/{user_name}": .admin, "POST users": .admin, "PATCH users/{user_name}": .admin,
        "DELETE users/{user_name}": .admin, "PUT users/{user_name}/grants/{pattern}": .admin,
        "DELETE users/{user_name}/grants/{pattern}": .admin,
        "GET tokens": .admin, "GET tokens/{token_name}": .admin, "POST tokens": .admin,
        "DELETE tokens/{token_name}": .admin,
        "PUT pools/{pool_name}": .admin, "DELETE pools/{pool_name}": .admin,
        "PUT variables/{variable_key}": .admin, "DELETE variables/{variable_key}": .admin,
    ]

    private static func path(_ endpoint: Endpoint) -> String {
        endpoint.segments.map { segment in
            switch segment {
            case .fixed(let text): text
            case .name: "0"
            }
        }.joined(separator: "/")
    }

    private static func least(_ endpoint: Endpoint) -> AccessRole {
        let name = "\(endpoint.method.rawValue) \(endpoint.path)"
        if let role = least[name] { return role }
        if endpoint.method != .get { #expect(endpoint.right >= .user, "\(name) changes something") }
        return endpoint.method == .get ? .viewer : endpoint.right
    }

    @Test("each endpoint is for its role and those above; what is wrong, over or revoked is nobody's")
    func table() async throws {
        let api = try await APIBench()
        let bench = RESTBench(of: api)
        var shown: [(name: String, token: String, role: AccessRole?)] = []
        for role in AccessRole.allCases {
            shown.append((role.rawValue, try await api.makeToken("as-\(role.rawValue)", AccessRights(role)), role))
        }
        // A role for every DAG alone is one for what has to do with DAGs.
        shown.append(("wrong", "perch_wrong", nil))
        shown.append(
            ("expired", try await api.makeToken("old", AccessRights(.admin), expires: .seconds(10)), nil))
        shown.append(("revoked", try await api.makeToken("gone", AccessRights(.admin)), nil))
        try await api.metastore.write { try $0.revokeToken("gone") }
        api.clock.now = api.clock.now + .seconds(10)
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let line = "\(endpoint.method.rawValue) \(endpoint.path)"
            for (name, token, role) in shown {
                let answer = try await bench.send(
                    endpoint.method.rawValue, Self.path(endpoint), body, ["Authorization": "Bearer \(token)"])
                if let role {
                    let isRight = role >= Self.least(endpoint)
                    #expect((answer.status == 403) == !isRight, "\(line) as \(name): \(answer)")
                    #expect(answer.status != 401 && answer.status < 500, "\(line) as \(name): \(answer)")
                } else {
                    #expect(
                        answer.status == 401 && answer.problem?.code == "unauthorized", "\(line) \(name): \(answer)")
                    #expect(answer.fields["www-authenticate"] == "Bearer")
                }
            }
            let nothing = try await bench.send(endpoint.method.rawValue, Self.path(endpoint), body)
            #expect(nothing.status == 401, "\(line): \(nothing)")
        }
        try await api.end()
    }

    @Test("every endpoint of a DAG asks for the role for that DAG, and every other for the role for all")
    func reach() async throws {
        let api = try await APIBench()
        let bench = RESTBench(of: api)
        let token = try await api.makeToken("t", AccessRights(.nothing, grants: [try AccessGrant(.admin, of: "mine")]))
        let fields = ["Authorization": "Bearer \(token)"]
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let line = "\(endpoint.method.rawValue) \(endpoint.path)"
            let path = Self.path(endpoint)
            let answer = try await bench.send(endpoint.method.rawValue, path, body, fields)
            guard endpoint.path.contains("{dag_id}") else {
                #expect((answer.status == 403) == (endpoint.reach == .everything), "\(line): \(answer)")
                continue
            }
            #expect(answer.status == 403, "\(line): \(answer)")
            let mine = try await bench.send(
                endpoint.method.rawValue,
                path.replacing("dags/0", with: "dags/mine").replacing("dagSources/0", with: "dagSources/mine"), body,
                fields)
            #expect(mine.status == 404 || mine.status == 400, "\(line): \(mine)")
        }
        try await api.end()
    }
}
