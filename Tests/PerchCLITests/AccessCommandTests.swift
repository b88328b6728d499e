// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Users, tokens and the record on the command line", .timeLimit(.minutes(3)))
struct AccessCommandTests {
    /// Everything in the files of the metastore.
    private func stored(_ home: StagedHome) -> Data {
        var all = Data()
        for name in ["perch.db", "perch.db-wal"] {
            if let data = FileManager.default.contents(atPath: home.folder.path + "/" + name) { all += data }
        }
        return all
    }

    @Test("users are made, changed and removed; a password is on standard input and is stored nowhere")
    func users() throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let program = home.program
        #expect(try program("users", "list").errors == "no users\n")
        let made = try program("users", "create", "anna", "--role", "viewer", input: "correct horse\n")
        #expect(made.output == "anna may log in, as viewer\n" && made.errors.isEmpty, "\(made)")
        #expect(stored(home).range(of: Data("correct horse".utf8)) == nil)
        #expect(stored(home).range(of: Data("scrypt$".utf8)) != nil)
        #expect(try program("users", "create", "ben", "--role", "nobody", input: "correct horse\n").code == 64)
        let short = try program("users", "create", "ben", "--role", "viewer", input: "short\n")
        #expect(short.code == 1 && short.errors.contains("at least 8 characters") && !short.errors.contains("short\n"))
        let silent = try program("users", "create", "ben", "--role", "viewer", input: "")
        #expect(silent.code == 1 && silent.errors.contains("first line of standard input"))
        try home.refuses("did you mean 'anna'", "users", "set-role", "ana", "admin")
        #expect(try program("users", "grant", "anna", "user", "orders_*").code == 0)
        #expect(try program("users", "grant", "anna", "user", "orders/*").code == 64)
        #expect(try program("users", "set-role", "anna", "none").output == "anna is none\n")
        #expect(try program("users", "set-password", "anna", input: "another horse\n").code == 0)
        let listed = try home.json("users", "list").list
        #expect(listed.count == 1 && listed[0]["role"] == "none" && listed[0]["grants"] == ["user orders_*"])
        #expect(listed[0]["is_disabled"] == false)
        #expect(try program("users", "revoke-grant", "anna", "orders_*").code == 0)
        try home.refuses("has no role for some DAGs", "users", "revoke-grant", "anna", "orders_*")
        #expect(try program("users", "disable", "anna").output == "anna is disabled\n")
        #expect(try home.json("users", "list").list[0]["is_disabled"] == true)
        #expect(try program("users", "enable", "anna").code == 0)
        #expect(try program("users", "delete", "anna").code == 0)
        #expect(try program("users", "list", "-o", "json").output == "[]\n")
        let log = try home.json("audit", "list").list
        #expect(
            log.map { $0["action"] } == [
                "users delete", "users enable", "users disable", "users revoke-grant", "users set-password",
                "users set-role", "users grant", "users create",
            ])
        #expect(log.allSatisfy { $0["how"] == "command" && $0["subject"] == "anna" })
        #expect(try home.json("audit", "list", "--limit", "2").list.count == 2)
        #expect(try home.json("audit", "list", "--who", "nobody").list == [])
        #expect(!(try program("audit", "list").output.contains("horse")))
    }

    @Test("a token is shown once, and only its digest is stored; a revoked one stays in the list")
    func tokens() throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let program = home.program
        let made = try program("tokens", "create", "ci", "--role", "user", "--dag", "orders_*", "--expires", "90d")
        let secret = made.output.trimmingCharacters(in: .newlines)
        #expect(made.code == 0 && secret.hasPrefix("perch_") && !secret.contains("\n"), "\(made)")
        #expect(!made.errors.contains(secret) && stored(home).range(of: Data(secret.utf8)) == nil)
        let other = try home.json("tokens", "create", "monitor", "--role", "viewer", "--service")
        #expect(other["token"] != .string(secret) && other["expires_at"] == .null)
        try home.refuses("a token 'ci' already", "tokens", "create", "ci", "--role", "viewer")
        #expect(try program("tokens", "create", "x", "--role", "viewer", "--expires", "soon").code == 64)
        #expect(try program("tokens", "create", "x", "--role", "viewer", "--user", "a", "--service").code == 64)
        try home.refuses("there is no user 'anna'", "tokens", "create", "x", "--role", "viewer", "--user", "anna")
        #expect(try program("tokens", "revoke", "ci").output == "ci is revoked\n")
        try home.refuses("was revoked before", "tokens", "revoke", "ci")
        try home.refuses("did you mean 'monitor'", "tokens", "revoke", "monitr")
        let listed = try home.json("tokens", "list").list
        #expect(listed.map { $0["name"] } == ["ci", "monitor"] && listed.map { $0["state"] } == ["revoked", "valid"])
        #expect(listed[0]["grants"] == ["user orders_*"] && listed[0]["role"] == "none")
        #expect(!(try program("tokens", "list").output.contains("perch_")))
    }

    @Test("commands that set what all work goes by are recorded, without what they set")
    func recorded() throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        for arguments in [
            ["variables", "set", "region", "hunter2"], ["variables", "delete", "region"], ["pools", "set", "gpu", "4"],
            ["pools", "delete", "gpu"],
        ] { #expect(try home.program.run(arguments).code == 0, "\(arguments)") }
        try home.refuses("there is no pool", "pools", "delete", "none")
        let log = try home.json("audit", "list")
        #expect(log.list.map { $0["action"] } == ["pools delete", "pools set", "variables delete", "variables set"])
        #expect(log.list.map { $0["subject"] } == ["gpu", "gpu", "region", "region"] && !log.text.contains("hunter2"))
    }

    @Test(
        "a server that is not open, and for which nobody is named, shows one token on its first start and never again")
    func first() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program(
            "perch",
            environment: ["PERCH_HOME": home, "PERCH__API__LISTEN": "127.0.0.1:0", "PERCH__API__OPEN": "false"])
        func port(_ engine: RunningEngine) throws -> Int {
            let line = engine.text.split(separator: "\n").first { $0.hasPrefix("api: http://127.0.0.1:") }
            return try #require(line.flatMap { $0.split(separator: ":").last }.flatMap { Int($0) })
        }
        var engine = try RunningEngine(program, home: home, log: folder.path + "/first")
        let word = try #require(engine.text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("perch_") })
        let fields = ["Authorization": "Bearer \(word)"]
        #expect(await (try WebClient(port: port(engine))).request("GET /api/v2/dags")?.status == 401)
        #expect(await (try WebClient(port: port(engine))).request("GET /api/v2/auditLog", fields)?.status == 200)
        #expect(engine.stop() == 0)
        engine = try RunningEngine(program, home: home, log: folder.path + "/second")
        defer { engine.stop() }
        #expect(!engine.text.contains(word) && !engine.text.contains("shown once"))
        #expect(await (try WebClient(port: port(engine))).request("GET /api/v2/auditLog", fields)?.status == 200)
    }
}
