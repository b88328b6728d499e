// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import PerchVault
import ProgramTestSupport
import Synchronization
import Testing

/// A clock that stands until it is moved.
private final class StandingClock: PerchClock {
    private let instant = Mutex(Timestamp(microseconds: 1_767_225_600_000_000))
    var now: Timestamp { instant.withLock { $0 } }
    func advance(_ span: TimeSpan) { instant.withLock { $0 = $0 + span } }
}

@Suite("Places of keys and secrets", .timeLimit(.minutes(2))) struct PlaceTests {
    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func write(_ path: String, _ text: String, _ mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test("a key file is made when something is sealed, for its owner alone, and is kept") func keyFile() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/secret.key"
        let place = try KeyPlace(given: nil, path: path)
        let missing = #expect(throws: PerchError.self) { try place.ring() }
        #expect(missing?.code == .unavailable && missing?.message.contains(path) == true)
        #expect(!FileManager.default.fileExists(atPath: path))
        let made = try place.ringForSealing()
        #expect(try mode(path) == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["secret.key"])
        #expect(try place.ring().keyIDs == made.keyIDs)
        #expect(try place.ringForSealing().keyIDs == made.keyIDs)
        let added = try place.addKey()
        #expect(try place.ring().keyIDs == [added] + made.keyIDs)
        #expect(try mode(path) == 0o600)
    }

    @Test("many that need a key at once agree on one", arguments: 0..<10) func race(_ round: Int) async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let place = try KeyPlace(given: nil, path: folder.path + "/secret.key")
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { try place.ringForSealing().keyID } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
    }

    @Test("a key file that others may read is refused, and so is garbage", arguments: [0o640, 0o604, 0o622, 0o606])
    func permissions(_ mode: Int) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/key"
        try write(path, KeyRing.newKey(), mode)
        let place = try KeyPlace(given: nil, path: path)
        for attempt in [place.ring, place.ringForSealing] {
            let error = #expect(throws: PerchError.self) { try attempt() }
            #expect(error?.message.contains("chmod 600 \(path)") == true)
        }
        try write(path, "hunter2")
        let error = #expect(throws: PerchError.self) { try place.ring() }
        #expect(error?.code == .invalid && error?.message.contains("hunter2") == false)
        #expect(throws: PerchError.self) { try KeyPlace(given: nil, path: folder.path).ring() }
    }

    @Test("keys that are given need no file, and none is made") func given() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let place = try KeyPlace(given: KeyRing.newKey(), path: folder.path + "/key")
        #expect(try place.ring().keyIDs == place.ringForSealing().keyIDs)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        #expect(throws: PerchError.self) { try place.addKey() }
        #expect(throws: PerchError.self) { try KeyPlace(given: "x", path: "/nowhere") }
    }

    @Test("a secrets file is read anew each time, and its faults name the place, never a value") func file() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/secrets.json"
        let file = SecretsFile(path: path)
        let missing = #expect(throws: PerchError.self) { try file.find(SecretName(.secret, "A")) }
        #expect(missing?.message.contains(path) == true)
        try write(
            path,
            #"""
            {"connections": {"a": "http://me:pw@h", "b": {"conn_type": "smtp"}, "c": "hunter2", "d": 5},
             "variables": {"region": "eu", "limits": {"rows": 5}, "api_key": "k"}, "secrets": {"TOKEN": "t", "N": 5}}
            """#, 0o640)
        #expect(
            try file.find(SecretName(.connection, "a"))
                == .connection(Connection(type: "http", host: "h", login: "me", password: "pw")))
        #expect(try file.find(SecretName(.connection, "b")) == .connection(Connection(type: "smtp")))
        #expect(try file.find(SecretName(.variable, "region")) == .variable("eu"))
        #expect(try file.find(SecretName(.variable, "limits")) == .variable(#"{"rows":5}"#))
        #expect(try file.find(SecretName(.variable, "api_key")) == .variable(Variable("k", isSecret: true)))
        #expect(try file.find(SecretName(.secret, "TOKEN")) == .secret("t"))
        #expect(try file.find(SecretName(.secret, "none")) == nil)
        for name in [SecretName(.connection, "c"), SecretName(.connection, "d"), SecretName(.secret, "N")] {
            let error = #expect(throws: PerchError.self) { try file.find(name) }
            #expect(error?.message.contains("'\(name.name)'") == true && error?.message.contains("hunter2") == false)
        }
        try write(path, #"{"secrets": {"TOKEN": "changed"}}"#)
        #expect(try file.find(SecretName(.secret, "TOKEN")) == .secret("changed"))
        for (text, words) in [
            ("{hunter2", "no JSON"), ("[]", "no JSON object"), (#"{"conections": {}}"#, "'conections'"),
            (#"{"secrets": "hunter2"}"#, "'secrets' is no object"),
        ] {
            try write(path, text)
            let error = #expect(throws: PerchError.self) { try file.find(SecretName(.secret, "A")) }
            #expect(error?.message.contains(words) == true && error?.message.contains("hunter2") == false)
        }
        try write(path, "{}", 0o644)
        let open = #expect(throws: PerchError.self) { try file.find(SecretName(.secret, "A")) }
        #expect(open?.message.contains("open to others") == true)
    }

    private static let script = #"""
        #!/bin/sh
        echo "$@" >> "$0.asked"
        case "$3" in
        token) echo "t0p-secret" ;;
        db) echo "http://me:pw@h" ;;
        odd) echo "hunter2 on the error line" >&2; exit 7 ;;
        slow) echo begun > "$0.slow"; while :; do :; done ;;
        *) exit 3 ;;
        esac
        """#

    @Test("a secrets command is asked by kind and name, and its answers are kept for a while") func command() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/get"
        try write(path, Self.script, 0o700)
        let clock = StandingClock()
        let command = try SecretsCommand(
            path + " -x", timeout: .seconds(60), keep: .seconds(60), clock: clock)
        // `-x` stands before what is added.
        func asked() throws -> Int {
            try String(contentsOfFile: path + ".asked", encoding: .utf8).split(separator: "\n").count
        }
        #expect(try command.find(SecretName(.secret, "a")) == nil)
        #expect(try String(contentsOfFile: path + ".asked", encoding: .utf8) == "-x get secret a\n")
        let plain = try SecretsCommand(path, timeout: .seconds(60), keep: .seconds(60), clock: clock)
        #expect(try plain.find(SecretName(.secret, "token")) == .secret("t0p-secret"))
        #expect(try plain.find(SecretName(.variable, "token")) == .variable(Variable("t0p-secret", isSecret: true)))
        guard case .connection(let connection)? = try plain.find(SecretName(.connection, "db")) else {
            Issue.record("no connection")
            return
        }
        #expect(connection.password == "pw")
        #expect(try plain.find(SecretName(.secret, "none")) == nil)
        let count = try asked()
        #expect(try plain.find(SecretName(.secret, "none")) == nil && plain.find(SecretName(.secret, "token")) != nil)
        #expect(try asked() == count)
        clock.advance(.seconds(61))
        #expect(try plain.find(SecretName(.secret, "token")) == .secret("t0p-secret"))
        #expect(try asked() == count + 1)
    }

    @Test("a secrets command that fails, hangs or is not there is named, and what it printed is not") func failures()
        throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/get"
        try write(path, Self.script, 0o700)
        let command = try SecretsCommand(
            path, timeout: TimeSpan(microseconds: 300_000), keep: .seconds(60), clock: StandingClock())
        let patient = try SecretsCommand(path, timeout: .seconds(60), keep: .seconds(60), clock: StandingClock())
        let odd = #expect(throws: PerchError.self) { try patient.find(SecretName(.secret, "odd")) }
        #expect(odd?.code == .unavailable && odd?.message.contains("exited with code 7") == true)
        #expect(odd?.message.contains("hunter2") == false && odd?.message.contains("'odd'") == true)
        let slow = #expect(throws: PerchError.self) { try command.find(SecretName(.secret, "slow")) }
        #expect(slow?.code == .unavailable && slow?.message.contains("longer than") == true)
        let noConnection = #expect(throws: PerchError.self) { try patient.find(SecretName(.connection, "token")) }
        #expect(noConnection?.message.contains("t0p-secret") == false)
        let gone = try SecretsCommand(
            folder.path + "/none", timeout: .seconds(9), keep: .seconds(60), clock: StandingClock())
        #expect(throws: PerchError.self) { try gone.find(SecretName(.secret, "a")) }
        #expect(throws: PerchError.self) {
            try SecretsCommand("get", timeout: .seconds(9), keep: .seconds(60), clock: StandingClock())
        }
    }

    @Test("the environment comes before the file, the file before the command, and the metastore last") func order()
        async throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        let (path, script) = (folder.path + "/secrets.json", folder.path + "/get")
        try write(script, "#!/bin/sh\ncase $3 in env|file|command) echo command ;; *) exit 3 ;; esac\n", 0o700)
        try write(path, #"{"variables": {"env": "file", "file": "file"}}"#)
        let key = KeyRing.newKey()
        let sealed = try KeyRing(parsing: key, of: "").seal("metastore", for: SecretName(.variable, "sealed"))
        let places = SecretPlaces(
            environment: { $0 == "PERCH_VAR_ENV" ? "environment" : nil }, file: SecretsFile(path: path),
            command: try SecretsCommand(
                script, timeout: .seconds(60), keep: .seconds(60), clock: StandingClock()),
            keys: try KeyPlace(given: key, path: "/nowhere"),
            stored: { $0.name == "sealed" ? .sealed(sealed) : $0.name == "none" ? nil : .plain("metastore") })
        for (name, value) in [("env", "environment"), ("file", "file"), ("command", "command"), ("other", "metastore")]
        {
            #expect(try await places.find(SecretName(.variable, name)) == .variable(Variable(value)), "\(name)")
        }
        #expect(
            try await places.find(SecretName(.variable, "sealed")) == .variable(Variable("metastore", isSecret: true)))
        #expect(try await places.find(SecretName(.variable, "none")) == nil)
        // Many at once share a few threads.
        let answers = try await withThrowingTaskGroup(of: FoundSecret?.self) { group in
            for _ in 0..<100 { group.addTask { try await places.find(SecretName(.variable, "file")) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: .variable("file"), count: 100))
    }
}
