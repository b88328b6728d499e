// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("What each role may on pages", .timeLimit(.minutes(2)))
struct PageRoleTests {
    /// The least role for what is no look; a look is for viewers, unless it stands here.
    private static let least: [String: AccessRole] = [
        "GET /audit": .admin, "GET /users": .admin, "GET /users/{user_name}": .admin, "GET /tokens": .admin,
        "POST /users": .admin, "POST /users/{user_name}": .admin, "POST /tokens": .admin,
        "POST /tokens/{token_name}/revoke": .admin, "POST /pools": .admin, "POST /pools/{pool_name}": .admin,
        "POST /variables": .admin, "POST /variables/{variable_key}": .admin,
        "POST /connections": .admin, "POST /connections/{connection_id}": .admin,
        // Whoever is known has an account, or is told that they have none.
        "GET /account": .nothing, "POST /account/password": .nothing, "POST /account/sessions": .nothing,
        "POST /approvals/{wait_id}": .user, "POST /dags/{dag_id}/pause": .user, "POST /dags/{dag_id}/trigger": .user,
        "POST /deferred/act": .operator,
    ]

    private static func least(_ route: PageRoute) -> AccessRole {
        let name = "\(route.method.rawValue) \(route.path)"
        if let role = least[name] { return role }
        if route.method != .get { #expect(route.right >= .user, "\(name) changes something") }
        return route.method == .get ? .viewer : route.right
    }

    private static func path(_ route: PageRoute) -> String {
        "/"
            + route.segments.map { segment in
                switch segment {
                case .fixed(let text): text
                case .name: "0"
                }
            }.joined(separator: "/")
    }

    @Test("each page and form is for its role and those above; who is not known is led to where they say who they are")
    func table() async throws {
        let bench = RESTBench(of: try await APIBench())
        var tokens: [(role: AccessRole, fields: [String: String])] = []
        for role in AccessRole.allCases {
            let token = try await bench.api.makeToken("as-\(role.rawValue)", AccessRights(role))
            tokens.append((role, ["Authorization": "Bearer \(token)"]))
        }
        let mine = AccessRights(.nothing, grants: [try AccessGrant(.admin, of: "mine")])
        let other = ["Authorization": "Bearer \(try await bench.api.makeToken("other", mine))"]
        func ask(_ route: PageRoute, _ fields: [String: String]) async throws -> WebClient.Answer {
            route.method == .get
                ? try await bench.page(Self.path(route), fields) : try await bench.post(Self.path(route), [], fields)
        }
        for route in PageTable.all where !route.isPublic {
            let line = "\(route.method) \(route.path)"
            for (role, fields) in tokens {
                let answer = try await ask(route, fields)
                #expect((answer.status == 403) == (role < Self.least(route)), "\(line) as \(role): \(answer.status)")
                #expect(answer.status < 500 && answer.status != 401, "\(line) as \(role): \(answer)")
            }
            // A role for some DAG is one for what has to do with it alone.
            let stranger = try await ask(route, other)
            let isForSome = route.isOfSome && !route.path.contains("{dag_id}")
            #expect((stranger.status == 403) == !isForSome, "\(line): \(stranger.status)")
            let nobody = try await ask(route, [:])
            #expect(
                nobody.status == 303 && nobody.fields["location"]?.hasPrefix("/login") == true, "\(line): \(nobody)")
        }
        try await bench.end()
    }

    @Test("the navigation has what may be looked at, and nothing else")
    func navigation() async throws {
        let bench = try await RESTBench()
        func sections(_ rights: AccessRights, _ name: String) async throws -> Set<String> {
            let token = try await bench.api.makeToken(name, rights)
            bench.api.passTime()
            let page = MarkupCheck(try await bench.page("/approvals", ["Authorization": "Bearer \(token)"]).body)
            return Set(
                page.elements.filter { $0.name == "a" && $0.around.contains("nav") && $0.around.contains("li") }.map(
                    \.text))
        }
        let admin = try await sections(AccessRights(.admin), "a")
        #expect(admin.isSuperset(of: ["Approvals", "Audit", "Users", "Pools", "Variables", "Connections", "Deferred"]))
        #expect(!admin.contains("Account"))
        let viewer = try await sections(AccessRights(.viewer), "v")
        #expect(viewer == admin.subtracting(["Audit", "Users"]))
        let some = try await sections(AccessRights(.nothing, grants: [try AccessGrant(.user, of: "orders")]), "s")
        #expect(some.isSuperset(of: ["DAGs", "Approvals"]) && !some.contains("Pools") && some.contains("Deferred"))
        try await bench.end()
    }
}
