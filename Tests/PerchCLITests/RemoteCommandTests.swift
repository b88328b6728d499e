// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PerchAPIServer
import PerchMetastore
import PerchProcess
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
        #expect(throws: PerchError.self) { try RemoteCommands.right(toGive: ["info"], ["info", "--home=/etc"]) }
        #expect(throws: PerchError.self) { try RemoteCommands.right(toGive: ["rm"], ["rm", "-rf"]) }
    }

    @Test("What follows something goes on for as long as somebody looks on; what is behind -- is no option")
    func goesOn() {
        func goesOn(_ words: String...) -> Bool { RemoteCommands.goesOn(Array(words.prefix(2)), words) }
        #expect(goesOn("tasks", "logs", "a", "--follow") && goesOn("dags", "trigger", "--wait", "d"))
        #expect(goesOn("deferred", "watch") && !goesOn("deferred", "list") && !goesOn("tasks", "logs", "--", "--wait"))
    }

    @Test("What a server says of a command is read line by line, however it is cut, and a refusal is told from it")
    func answer() {
        func read(_ text: String, by size: Int) -> (RemoteAnswer, [RemoteAnswer.Piece]) {
            var (answer, pieces, rest) = (RemoteAnswer(), [RemoteAnswer.Piece](), Array(text.utf8)[...])
            while !rest.isEmpty {
                pieces += rest.prefix(size).withUnsafeBytes { answer.take($0) }
                rest = rest.dropFirst(size)
            }
            pieces += answer.finish()
            return (answer, pieces)
        }
        let nulls = #""errors":null,"exit_code":null,"failure":null,"output":null"#
        let lines = [
            #"{"errors":null,"exit_code":null,"failure":null,"output":"größe\n"}"#, "{\(nulls)}",
            #"{"errors":"note","exit_code":null,"failure":null,"output":null}"#,
            #"{"errors":null,"exit_code":3,"failure":null,"output":null}"#,
        ]
        for size in [1, 2, 7, 1_000] {
            let (answer, pieces) = read(lines.joined(separator: "\n"), by: size)
            #expect(answer.end == .exited(3) && answer.other.isEmpty)
            #expect(pieces == [.output("größe\n"), .errors("note")])
        }
        #expect(read(#"{"exit_code":null,"failure":"it took too long"}"#, by: 9).0.end == .failed("it took too long"))
        // Of a connection that was cut there is no end.
        let cut = read(lines[0] + "\n" + lines[3].dropLast(4), by: 50).0
        #expect(cut.end == nil && cut.hasBegun)
        for refusal in [##"{"detail":"no","errors":[{"pointer":"#/a"}],"status":400}"##, "<html>\n502\n</html>"] {
            let (answer, pieces) = read(refusal, by: 5)
            #expect(answer.end == nil && !answer.hasBegun && pieces.isEmpty)
            #expect(String(decoding: answer.other, as: UTF8.self) == refusal)
        }
    }

    @Test("A character whose bytes come one by one is one; bytes that are none are shown as such")
    func textPieces() {
        for text in ["größe", "漢字", "a🪶b", ""] {
            var pieces = TextPieces()
            #expect(text.utf8.map { pieces.take([$0]) }.joined() + pieces.end() == text)
        }
        var pieces = TextPieces()
        #expect(pieces.take([0x61, 0xE6, 0xBC]) == "a" && pieces.end() == "\u{FFFD}" && pieces.end() == "")
        #expect(
            pieces.take([0xFF, 0x62]) == "\u{FFFD}b" && pieces.take([0x80, 0x80, 0x80, 0x80, 0x63]).hasSuffix("c"))
    }

    private func command(_ script: String, within span: TimeSpan?, of turns: Turns) async throws -> RunningCommand {
        let child = try ChildProcess.start(
            path: "/bin/sh", arguments: ["sh", "-c", script], environment: [], leadsSession: true)
        return RunningCommand(child, turn: try #require(turns.takeIfFree()), longest: span)
    }

    @Test("A command tells what it says, that it says nothing, and its end; its turn ends with it")
    func running() async throws {
        let turns = Turns(most: 1)
        let command = try await command("echo a; read x; echo b >&2; exit 3", within: nil, of: turns)
        var news: [CommandNews] = []
        while news.last != .ended(exitCode: 3) { news.append(await command.next(within: .seconds(30))) }
        #expect(news == [.output("a\n"), .errors("b\n"), .ended(exitCode: 3)])
        #expect(await command.next(within: .seconds(30)) == .ended(exitCode: 3))
        #expect(turns.takeIfFree() != nil)
    }

    @Test("A command that nobody listens to any more ends, with what it has started; so does one that takes too long")
    func abandoned() async throws {
        let turns = Turns(most: 2)
        let endless = try await command("sleep 1000 & sleep 1000", within: nil, of: turns)
        #expect(await endless.next(within: TimeSpan(microseconds: 1_000)) == .silence)
        endless.abandon()
        endless.abandon()
        guard case .failed(let why) = await endless.next(within: .seconds(30)) else {
            Issue.record("it goes on")
            return
        }
        #expect(why.contains("signal 9"))
        let slow = try await command("sleep 1000", within: TimeSpan(microseconds: 1_000), of: turns)
        #expect(
            await slow.next(within: .seconds(30)) == .failed("the command took longer than 1ms, and was ended"))
        slow.abandon()
        let (one, other) = (turns.takeIfFree(), turns.takeIfFree())
        #expect(one != nil && other != nil)
    }

    @Test(
        "A command that prints without end is ended in its time, and so is one whose children print; nobody has to ask")
    func endless() async throws {
        let turns = Turns(most: 1, waiting: 1)
        for script in ["exec yes", "yes & exec yes", "(exec setsid yes) & sleep 1000"] {
            let command = try await command(script, within: TimeSpan(microseconds: 300_000), of: turns)
            var last = CommandNews.silence
            while true {
                last = await command.next(within: .seconds(30))
                if case .failed = last { break }
            }
            #expect(last == .failed("the command took longer than 300ms, and was ended"))
            command.abandon()
        }
        let unheard = try await command("exec yes", within: TimeSpan(microseconds: 1_000), of: turns)
        let ticket = try #require(turns.ticket())
        #expect(await turns.take(ticket, within: .seconds(30)) != nil)
        unheard.abandon()
    }

    @Test("A command whose sender goes away before its turn comes is never begun")
    func neverBegun() async throws {
        let turns = Turns(most: 1, waiting: 1)
        let turn = turns.takeIfFree()
        let ticket = try #require(turns.ticket())
        let queued = QueuedCommand(turns, ticket) { _ in throw PerchError(.invalid, "it was begun") }
        #expect(turn != nil)
        #expect(await queued.next(within: TimeSpan(microseconds: 1)) == .silence)
        queued.abandon()
        #expect(await queued.next(within: .seconds(30)) == .failed("nobody listens any more"))
        #expect(turns.ticket() != nil)
    }

    @Test("Turns are given in the order in which they were asked for, and go on when somebody drops his")
    func turns() async throws {
        let turns = Turns(most: 1, waiting: 3)
        var first = turns.takeIfFree()
        let tickets = try (0..<3).map { _ in try #require(turns.ticket()) }
        #expect(first != nil && turns.takeIfFree() == nil)
        // There is room for three.
        #expect(turns.ticket() == nil)
        #expect(await turns.take(tickets[0], within: TimeSpan(microseconds: 1)) == nil)
        // Whoever has gone is passed over.
        turns.leave(tickets[0])
        let others = tickets.dropFirst().map { ticket in
            Task { await turns.take(ticket, within: .seconds(30)) != nil }
        }
        first = nil
        for other in others { #expect(await other.value) }
        #expect(await turns.take(tickets[0], within: .seconds(30)) == nil)
    }

    @Test("A picture of waits comes over as it was, without what a terminal obeys")
    func frame() throws {
        let frame = WaitFrame(lines: ["2 waits", "größe"], offset: 7, isFull: true)
        #expect(try WaitFrame(parsing: frame.text) == frame)
        let wild = try WaitFrame(parsing: #"{"lines":["a\u001b[2Jb"],"offset":0,"is_full":false}"#)
        #expect(!wild.lines[0].contains("\u{1B}"))
        for text in ["", "[]", "{}", #"{"lines":1,"offset":0,"is_full":false}"#] {
            #expect(throws: (any Error).self) { try WaitFrame(parsing: text) }
        }
        #expect(Screen.Size(argument: "80x24") == Screen.Size(columns: 80, rows: 24))
        for text in ["80", "0x5", "80x24x3", "axb", "99999x1"] { #expect(Screen.Size(argument: text) == nil) }
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
        // What follows something.
        #expect(try remote("ruling", "dags", "trigger", "sums", "--wait").code == 0)
        #expect(try remote("reading", "deferred", "watch").errors.contains("needs a terminal"))
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
