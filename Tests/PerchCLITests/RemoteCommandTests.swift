// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PerchAPIServer
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Commands that a server runs for whoever has its URL", .timeLimit(.minutes(2)))
struct RemoteCommandTests {
    /// The paths of all commands that do something.
    private func paths(of command: any ParsableCommand.Type, after path: [String] = []) -> [String] {
        let below = command.configuration.subcommands
        guard !below.isEmpty else { return [path.joined(separator: " ")] }
        return below.flatMap { paths(of: $0, after: path + [$0._commandName]) }
    }

    @Test("Every command has its place, on a server with a right, or here with the reason; no place is of no command")
    func table() throws {
        let known = paths(of: RootCommand<NoDAGs>.self)
        #expect(Set(known).subtracting(RemoteCommands.table.keys) == [])
        // The groups that do something by themselves.
        #expect(Set(RemoteCommands.table.keys).subtracting(known) == ["worker", "triggerer"])
    }

    @Test("What names the server is taken out of the command line, wherever it stands; what follows -- stays")
    func server() throws {
        func server(_ arguments: String..., environment: [String: String] = [:]) throws -> RemoteServer? {
            try RemoteServer(arguments, environment: environment)
        }
        #expect(try server("dags", "list") == nil)
        let named = try #require(try server("dags", "--url", "https://a:1/", "list", "--ca=/c", "--", "--url"))
        #expect(named.url == "https://a:1" && named.ca == "/c" && named.isNamed && named.token == nil)
        #expect(named.arguments == ["dags", "list", "--", "--url"])
        let variables = ["PERCH_URL": "http://b", "PERCH_TOKEN": "t"]
        let set = try #require(try server("dags", "list", environment: variables))
        #expect(set.url == "http://b" && set.token == "t" && !set.isNamed)
        // A home that is named is meant.
        #expect(try server("dags", "list", "--home", "x", environment: variables) == nil)
        let wrong: [[String]] = [
            ["dags", "list", "--url"], ["--url", "ftp://a", "info"], ["--url=http://me:word@a", "info"],
            ["--url", "", "info"],
            ["--ca", "/c", "info"], ["--url", "http://a", "--home", "x", "info"],
            ["--url", "http://a", "--token-file", "/nowhere", "info"],
        ]
        for arguments in wrong {
            #expect(throws: PerchError.self) { try RemoteServer(arguments, environment: [:]) }
        }
    }

    @Test("What is for here is refused by --url, and done here where only the environment names a server")
    func places() throws {
        func isFor(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Bool {
            let server = try #require(try RemoteServer(arguments, environment: environment))
            return try RemoteCommands.isFor(server, NamedCommand(server.arguments, in: RootCommand<NoDAGs>.self).path)
        }
        #expect(try isFor(["deferred", "list", "--url", "http://a"]))
        #expect(try !isFor(["deferred", "list", "--help", "--url", "http://a"]))
        for words in [
            ["standalone"], ["bundle-host"], ["worker"], ["worker", "run"], ["init", "x"], ["db", "migrate"],
        ] {
            let error = #expect(throws: PerchError.self) { try isFor(words + ["--url", "http://a"]) }
            #expect(error?.message.contains("not run by a server") == true)
            #expect(try !isFor(words, ["PERCH_URL": "http://a"]))
        }
        for words in [["tasks", "logs", "--follow"], ["dags", "trigger", "d", "--wait"], ["info", "--home=/etc"]] {
            #expect(throws: PerchError.self) { try RemoteCommands.right(toGive: Array(words.prefix(2)), words) }
        }
        #expect(throws: PerchError.self) { try RemoteCommands.right(toGive: ["rm"], ["rm", "-rf"]) }
    }

    @Test(
        "A command over HTTP answers as one on the machine, its right is asked for, and it touches no file of the server"
    )
    func live() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let tokens = "reading read\noperating operate\nruling admin\n"
        try Data(tokens.utf8).write(to: URL(filePath: folder.path + "/tokens"))
        let program = Program(
            "trial-bundle",
            environment: [
                "PERCH_HOME": home, "PERCH__API__LISTEN": "127.0.0.1:0",
                "PERCH__API__TOKEN_FILE": folder.path + "/tokens",
            ])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/log")
        defer { engine.stop() }
        let line = try #require(engine.text.split(separator: "\n").first { $0.hasPrefix("api: ") })
        let url = "http://127.0.0.1:" + (line.split(separator: ":").last ?? "")
        func remote(_ token: String, _ arguments: String..., input: String = "") throws -> Program.Outcome {
            let far = Program("perch", environment: ["PERCH_TOKEN": token, "PERCH_URL": url])
            return try far.run(arguments, input: input)
        }
        let here = try program("tasks", "list", "lands", "-o", "json")
        let there = try remote("reading", "tasks", "list", "lands", "-o", "json")
        #expect(here.output == there.output && there.code == 0 && here.output.contains("task_id"), "\(there)")
        // What it says as an error, and its exit code.
        let wrong = try remote("reading", "dags", "details", "nowhere")
        #expect(wrong.code == 1 && wrong.errors.contains("there is no DAG 'nowhere'"), "\(wrong)")
        #expect(try remote("reading", "dags", "lisst").code == 64)
        // Rights.
        for (token, arguments, code) in [
            ("reading", ["pools", "set", "p", "4"], 1), ("operating", ["pools", "set", "p", "4"], 1),
            ("ruling", ["pools", "set", "p", "4"], 0), ("nobody", ["dags", "list"], 1), ("", ["dags", "list"], 1),
        ] as [(String, [String], Int32)] {
            let far = Program("perch", environment: ["PERCH_TOKEN": token, "PERCH_URL": url])
            let outcome = try far.run(arguments)
            #expect(outcome.code == code, "\(token) \(arguments) \(outcome)")
            #expect(outcome.errors.contains("--token-file") == token.isEmpty, "\(outcome)")
        }
        // Standard input goes along; a file of the server's does not.
        let pools = #"{"gpu": {"slots": 2}}"#
        #expect(try remote("ruling", "pools", "import", "-", input: pools).output == "1 pool set\n")
        try Data(pools.utf8).write(to: URL(filePath: folder.path + "/pools.json"))
        let file = try remote("ruling", "pools", "import", folder.path + "/pools.json")
        #expect(file.code == 1 && file.errors.contains("standard input"), "\(file)")
        #expect(try remote("ruling", "variables", "export", folder.path + "/out.json").code == 1)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/out.json"))
        // Nobody can send a sentence that a terminal obeys, nor a zero byte.
        let client = try WebClient(port: try #require(Int(line.split(separator: ":").last ?? "")))
        let fields = ["Authorization": "Bearer ruling", "Content-Type": "application/json"]
        for body in [
            #"{"arguments": ["dags", "list\u0000"]}"#, #"{"arguments": []}"#, #"{"arguments": ["standalone"]}"#, "{}",
        ] {
            #expect(await client.request("POST /api/v2/commands", fields, body)?.status == 400, "\(body)")
        }
    }
}
