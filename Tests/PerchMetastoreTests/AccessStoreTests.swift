// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Who may, in the metastore", .onEveryGround) struct AccessStoreTests {
    private static let day = TimeSpan.seconds(86_400)

    @Test("users are made, changed and removed, with all that is theirs; every change is counted") func users()
        async throws
    {
        let stage = try await Stage()
        let store = stage.store
        #expect(try await store.read { try $0.accessVersion() } == 0)
        try await store.write { transaction in
            try transaction.createUser("anna", password: "hash", role: .viewer)
            try transaction.createUser("ben", password: nil, role: .nothing)
            try transaction.grant(AccessGrant(.user, of: "orders_*"), to: "anna")
            try transaction.grant(AccessGrant(.operator, of: "orders_*"), to: "anna")
            try transaction.setRole(of: "ben", .admin)
        }
        let users = try await store.read { try $0.accessUsers() }
        #expect(users.map(\.name) == ["anna", "ben"] && users.map(\.rights.role) == [.viewer, .admin])
        #expect(users[0].rights.grants == [try AccessGrant(.operator, of: "orders_*")])
        #expect(users[0].password == "hash" && users[1].password == nil && !users[0].isDisabled)
        #expect(users[0].createdAt == stage.clock.now)
        #expect(try await store.read { try $0.accessVersion() } == 5)
        for bad in ["", "a b", "käse", String(repeating: "x", count: 251)] {
            await #expect(throws: PerchError.self) {
                try await store.write { try $0.createUser(bad, password: nil, role: .viewer) }
            }
        }
        let twice = await #expect(throws: PerchError.self) {
            try await store.write { try $0.createUser("anna", password: nil, role: .admin) }
        }
        #expect(twice?.code == .conflict)
        let unknown = await #expect(throws: PerchError.self) {
            try await store.write { try $0.setDisabled("anne", true) }
        }
        #expect(unknown?.code == .notFound && unknown?.message.contains("did you mean 'anna'") == true)
        let none = await #expect(throws: PerchError.self) {
            try await store.write { try $0.revokeGrant(of: "orders", from: "anna") }
        }
        #expect(none?.code == .notFound)
        try await store.write { try $0.revokeGrant(of: "orders_*", from: "anna") }
        #expect(try await store.read { try $0.knownUser("anna") }.rights.grants == [])
        try await store.write { transaction in
            let rights = AccessRights(.nothing, grants: [try AccessGrant(.viewer, of: "a")])
            _ = try transaction.createToken(NewAccessToken(name: "t", digest: "d", rights: rights, user: "anna"))
            try transaction.deleteUser("anna")
        }
        #expect(try await store.read { try $0.accessUsers().map(\.name) } == ["ben"])
        #expect(try await store.read { try $0.accessTokens() } == [])
        #expect(try await store.read { try $0.number("SELECT COUNT(*) FROM access_grant") } == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("tokens are stored by their digests, revoked once and for ever, and their use is recorded") func tokens()
        async throws
    {
        let stage = try await Stage()
        let store = stage.store
        let end = stage.clock.now + Self.day
        try await store.write { transaction in
            _ = try transaction.createToken(
                NewAccessToken(name: "ci", digest: "d1", rights: AccessRights(.user), expiresAt: end))
        }
        for (name, digest, expires) in [("ci", "d2", end), ("x", "d1", end), ("y", "d3", stage.clock.now)] {
            await #expect(throws: PerchError.self) {
                try await store.write {
                    _ = try $0.createToken(
                        NewAccessToken(name: name, digest: digest, rights: AccessRights(.user), expiresAt: expires))
                }
            }
        }
        let version = try await store.read { try $0.accessVersion() }
        let made = try await store.read { try $0.knownToken("ci") }
        #expect(made.lastUsedAt == nil && made.revokedAt == nil && made.expiresAt == end && made.userID == nil)
        stage.clock.advance(.seconds(5))
        try await store.write { try $0.touchToken(made.tokenID) }
        // Use is no change of who may.
        #expect(try await store.read { try $0.accessVersion() } == version)
        try await store.write { try $0.revokeToken("\(made.tokenID)") }
        let used = try await store.read { try $0.knownToken("ci") }
        #expect(used.lastUsedAt == stage.clock.now && used.revokedAt == stage.clock.now)
        let again = await #expect(throws: PerchError.self) { try await store.write { try $0.revokeToken("ci") } }
        #expect(again?.code == .conflict)
        #expect(try await store.read { try $0.accessVersion() } == version + 1)
    }

    @Test("sessions end by themselves, with another password, and with their user") func sessions() async throws {
        let stage = try await Stage()
        let store = stage.store
        try await store.write { try $0.createUser("anna", password: "h", role: .viewer) }
        let userID = try await store.read { try $0.knownUser("anna") }.userID
        func begin(_ digest: String) async throws {
            try await store.write { transaction in
                let now = transaction.now
                try transaction.createSession(
                    AccessSessionRow(
                        digest: digest, userID: userID, csrf: "c", createdAt: now, seenAt: now,
                        expiresAt: now + Self.day))
            }
        }
        func known() async throws -> [String] {
            try await store.read { try $0.accessBook(idle: .seconds(3_600)).sessions.keys.sorted() }
        }
        try await begin("a")
        stage.clock.advance(.seconds(1_800))
        try await begin("b")
        #expect(try await known() == ["a", "b"])
        stage.clock.advance(.seconds(1_800))
        #expect(try await known() == ["b"])
        try await store.write { try $0.touchSession("a") }
        #expect(try await known() == ["a", "b"])
        stage.clock.advance(Self.day)
        try await store.write { try $0.touchSession("b") }
        #expect(try await known() == [])
        try await begin("c")
        // What was over is forgotten.
        #expect(try await store.read { try $0.number("SELECT COUNT(*) FROM access_session") } == 1)
        try await store.write { try $0.deleteSession("c") }
        for change in ["password", "disabled", "deleted"] {
            try await begin(change)
            #expect(try await known() == [change])
            try await store.write { transaction in
                switch change {
                case "password": try transaction.setPassword(of: "anna", "other")
                case "disabled": try transaction.setDisabled("anna", true)
                default: try transaction.deleteUser("anna")
                }
            }
            #expect(try await known() == [], "\(change)")
        }
    }

    @Test("what was done is recorded with the change or not at all, and read page by page, the latest first")
    func audit() async throws {
        let stage = try await Stage()
        let store = stage.store
        func entry(_ who: String, _ subject: Int) -> AuditEntry {
            AuditEntry(
                who: who, how: "command", action: "do", subject: "\(subject)", details: ["n": .integer(Int64(subject))])
        }
        for number in 0..<5 {
            let entry = entry(number == 3 ? "ben" : "anna", number)
            try await store.write { try $0.audit(entry) }
            stage.clock.advance(.seconds(10))
        }
        let lost = entry("anna", 9)
        await #expect(throws: PerchError.self) {
            try await store.write { transaction in
                try transaction.audit(lost)
                throw PerchError(.conflict, "no")
            }
        }
        let first = try await store.read { try $0.auditLog(limit: 3) }
        #expect(first.map(\.entry.subject) == ["4", "3", "2"] && first[0].entry.details["n"] == 4)
        let rest = try await store.read { try $0.auditLog(before: first[2].auditID, limit: 3) }
        #expect(rest.map(\.entry.subject) == ["1", "0"])
        #expect(try await store.read { try $0.auditLog(who: "ben", limit: 9) }.map(\.entry.subject) == ["3"])
        let since = stage.clock.now + .seconds(-20)
        #expect(try await store.read { try $0.auditLog(since: since, limit: 9) }.map(\.entry.subject) == ["4", "3"])
    }

    @Test("the record is filtered by who, what, to what and when, and cleaned of what is old, a bounded part at a time")
    func auditCleaning() async throws {
        let stage = try await Stage()
        let store = stage.store
        for number in 0..<30 {
            let entry = AuditEntry(
                who: number % 2 == 0 ? "anna" : "ben", how: "command",
                action: number < 10 ? "pools set" : "Users_grant",
                subject: "s\(number)%")
            try await store.write { try $0.audit(entry) }
            stage.clock.advance(.seconds(60))
        }
        func subjects(_ change: (inout AuditFilter) -> Void) async throws -> [String] {
            var filter = AuditFilter()
            change(&filter)
            let wanted = filter
            return try await store.read { try $0.auditLog(wanted) }.map(\.entry.subject)
        }
        #expect(try await subjects { $0.action = "users_" }.count == 20)
        #expect(try await subjects { $0.action = "_s" }.isEmpty)
        #expect(
            try await subjects {
                $0.subject = "2%"; $0.who = "anna"
            } == ["s22%", "s12%", "s2%"])
        let middle = stage.clock.now + .seconds(-600)
        #expect(try await subjects { $0.since = middle }.count == 10)
        #expect(
            try await subjects {
                $0.until = middle; $0.limit = 2
            } == ["s19%", "s18%"])
        #expect(try await store.read { try $0.auditEntries(before: middle) } == 20)
        var request = CleaningRequest()
        request.auditBefore = middle
        let wanted = request
        var steps: [Int] = []
        var isMore = true
        while isMore, steps.count < 10 {
            let step = try await store.write { try $0.clean(wanted, limit: 8) }
            steps.append(step.auditEntries)
            isMore = step.isMore
        }
        #expect(steps == [8, 8, 4])
        #expect(try await subjects { _ in }.count == 10)
        // What was recorded since is numbered on.
        try await store.write { try $0.audit(AuditEntry(who: "anna", how: "h", action: "a", subject: "new")) }
        #expect(try await store.read { try $0.auditLog(limit: 1) }.first?.auditID == 31)
    }

    @Test("administrators are people who can log in and tokens that let in, and nobody else")
    func administrators() async throws {
        let stage = try await Stage()
        let store = stage.store
        func names() async throws -> [[String]] {
            let found = try await store.read { try $0.administrators() }
            return [found.users, found.tokens]
        }
        func make(_ token: String, _ role: AccessRole, user: String? = nil, _ end: Timestamp? = nil) async throws {
            try await store.write {
                _ = try $0.createToken(
                    NewAccessToken(name: token, digest: token, rights: AccessRights(role), user: user, expiresAt: end))
            }
        }
        #expect(try await names() == [[], []])
        try await store.write { transaction in
            try transaction.createUser("anna", password: "hash", role: .admin)
            try transaction.createUser("ben", password: nil, role: .admin)
            try transaction.createUser("carl", password: "hash", role: .operator)
        }
        try await make("annas", .admin, user: "anna")
        try await make("bens", .admin, user: "ben")
        try await make("carls", .admin, user: "carl")
        try await make("brief", .admin, stage.clock.now + .seconds(10))
        try await make("less", .operator)
        #expect(try await names() == [["anna"], ["annas", "bens", "brief"]])
        stage.clock.advance(.seconds(10))
        try await store.write { transaction in
            try transaction.setDisabled("anna", true)
            try transaction.revokeToken("bens")
        }
        #expect(try await names() == [[], []])
    }

    @Test("somebody's other sessions end, and the one by which that was asked goes on")
    func otherSessions() async throws {
        let stage = try await Stage()
        let store = stage.store
        try await store.write { transaction in
            for name in ["anna", "ben"] { try transaction.createUser(name, password: "hash", role: .viewer) }
            for (digest, name) in [("a1", "anna"), ("a2", "anna"), ("b1", "ben")] {
                let userID = try transaction.knownUser(name).userID
                try transaction.createSession(
                    AccessSessionRow(
                        digest: digest, userID: userID, csrf: "c", createdAt: transaction.now, seenAt: transaction.now,
                        expiresAt: transaction.now + Self.day))
            }
        }
        func known(_ name: String?) async throws -> [String] {
            try await store.read { snapshot in
                try snapshot.sessions(of: name.map { try snapshot.knownUser($0).userID }, idle: .seconds(60))
            }.map(\.digest).sorted()
        }
        #expect(try await known(nil) == ["a1", "a2", "b1"])
        #expect(try await known("anna") == ["a1", "a2"])
        try await store.write { try $0.endSessions(of: "anna", but: "a2") }
        #expect(try await known(nil) == ["a2", "b1"])
        try await store.write { try $0.setPassword(of: "anna", "other", keeping: "a2") }
        #expect(try await known(nil) == ["a2", "b1"])
        try await store.write { try $0.setPassword(of: "anna", "third") }
        #expect(try await known(nil) == ["b1"])
    }
}

@Suite("Roles for some DAGs") struct AccessGrantTests {
    @Test(
        "a pattern fits what it says, and nothing else",
        arguments: [
            ("orders", "orders", true), ("orders", "orders2", false), ("orders*", "orders", true), ("*", "", true),
            ("*", "anything", true), ("*.daily", "a.b.daily", true), ("*.daily", "a.daily.b", false),
            ("a?c", "abc", true), ("a?c", "ac", false), ("a*b*c", "aXbYbZc", true), ("a*b*c", "acb", false),
            ("**a", "bba", true), ("orders", "Orders", false), ("?", "ü", true),
        ])
    func fits(pattern: String, name: String, isRight: Bool) throws {
        #expect(try AccessGrant(.viewer, of: pattern).fits(name) == isRight)
    }

    @Test("a pattern of many stars is compared in a time that is bounded")
    func manyStars() throws {
        let pattern = String(repeating: "*a", count: 100) + "b"
        #expect(try !AccessGrant(.viewer, of: pattern).fits(String(repeating: "a", count: 250)))
    }

    @Test(
        "what no DAG is called is no pattern",
        arguments: ["", "a/b", "a b", "[ab]", String(repeating: "x", count: 251)])
    func bad(pattern: String) {
        #expect(throws: PerchError.self) { try AccessGrant(.viewer, of: pattern) }
    }

    @Test("a role for some DAGs adds to that for all, and takes nothing away")
    func rights() throws {
        let rights = AccessRights(
            .viewer, grants: [try AccessGrant(.operator, of: "a*"), try AccessGrant(.nothing, of: "*")])
        #expect(rights.role(for: "ab") == .operator && rights.role(for: "b") == .viewer && rights.highest == .operator)
        let none = AccessRights(.nothing, grants: [try AccessGrant(.viewer, of: "a")])
        #expect(none.role(for: "a") == .viewer && none.role(for: "b") == .nothing && none.highest == .viewer)
        #expect(AccessRole.allCases == AccessRole.allCases.sorted())
    }
}
