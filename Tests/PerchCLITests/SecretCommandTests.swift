// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import PerchVault
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Variables, connections and their key on the command line", .timeLimit(.minutes(3)))
struct SecretCommandTests {
    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    /// Everything in the files of the metastore.
    private func stored(_ home: StagedHome) throws -> Data {
        var all = Data()
        for name in ["perch.db", "perch.db-wal"] {
            if let data = FileManager.default.contents(atPath: home.folder.path + "/" + name) { all += data }
        }
        return all
    }

    @Test("variables are set, shown and deleted; secret ones are sealed, and shown only where that is asked for")
    func variables() throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let program = home.program
        #expect(try program("variables", "list").errors == "no variables\n")
        #expect(try program("variables", "set", "region", "eu", "--description", "where").output == "region is set\n")
        // Nothing was sealed, so there is no key yet.
        #expect(!FileManager.default.fileExists(atPath: home.folder.path + "/secret.key"))
        let set = try program("variables", "set", "api_token", "--stdin", input: "hunter2\n")
        #expect(set.output == "api_token is set, sealed\n" && set.errors.isEmpty, "\(set)")
        #expect(try mode(home.folder.path + "/secret.key") == 0o600)
        #expect(try program("variables", "set", "plain_token", "x", "--no-secret").output == "plain_token is set\n")
        #expect(try program("variables", "set", "hidden", "t0p-secret", "--secret").output == "hidden is set, sealed\n")
        #expect(try program("variables", "set", "limits", #"{"a": 1}"#, "--json").code == 0)
        try home.refuses("no JSON", "variables", "set", "limits", "{hunter", "--json")
        for word in ["hunter2", "t0p-secret"] { #expect(try stored(home).range(of: Data(word.utf8)) == nil) }
        let rows = try home.json("variables", "list").list
        #expect(rows.map { $0["key"] } == ["api_token", "hidden", "limits", "plain_token", "region"])
        #expect(rows.map { $0["value"] } == ["***", "***", #"{"a": 1}"#, "x", "eu"])
        #expect(rows.map { $0["is_secret"] } == [true, true, false, false, false])
        #expect(rows[0].names == ["key", "value", "is_secret", "description", "updated_at"])
        for format in ["table", "yaml", "plain"] {
            let shown = try program("variables", "list", "-o", format)
            #expect(shown.code == 0 && !shown.output.contains("hunter2") && shown.output.contains("region"))
        }
        #expect(try program("variables", "get", "region").output == "eu\n")
        #expect(try home.json("variables", "get", "region")["description"] == "where")
        try home.refuses("--show-secrets", "variables", "get", "api_token")
        #expect(try home.json("variables", "get", "api_token")["value"] == "***")
        #expect(try program("variables", "get", "api_token", "--show-secrets").output == "hunter2\n")
        #expect(try home.json("variables", "get", "hidden", "--show-secrets")["value"] == "t0p-secret")
        try home.refuses("did you mean 'region'", "variables", "get", "regions")
        try home.refuses("did you mean 'region'", "variables", "delete", "regions")
        #expect(try program("variables", "delete", "region").output == "region is deleted\n")
        try home.refuses("there is no variable 'region'", "variables", "get", "region")
        try home.refusesUsage("as an argument, or with --stdin", "variables", "set", "a")
        try home.refusesUsage("as an argument, or with --stdin", "variables", "set", "a", "b", "--stdin")
        try home.refusesUsage("letters, digits", "variables", "set", "a b", "c")
        try home.refusesUsage("--stdout", "variables", "export")
    }

    @Test("variables go out to a file that only its owner reads, and come in again: all or none") func variableFiles()
        throws
    {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let (program, file) = (home.program, home.folder.path + "/out.json")
        #expect(try program("variables", "set", "region", "eu", "--description", "where").code == 0)
        #expect(try program("variables", "set", "api_token", "hunter2").code == 0)
        let export = try program("variables", "export", file)
        #expect(export.code == 0 && export.errors == "2 variables written to \(file)\n", "\(export)")
        #expect(try mode(file) == 0o600)
        try home.refuses("cannot create", "variables", "export", file)
        let text = try program("variables", "export", "--stdout").output
        #expect(try JSONValue(parsing: text)["api_token"]?["value"] == "hunter2")
        #expect(try program("variables", "export", "-").output == text)
        try home.refusesUsage("--stdout", "variables", "export", "-", "--stdout")
        #expect(!FileManager.default.fileExists(atPath: "-"))
        let other = try StagedHome()
        defer { other.folder.remove() }
        #expect(try other.program("variables", "import", file).output == "2 variables set\n")
        #expect(try other.json("variables", "get", "region")["description"] == "where")
        #expect(try other.json("variables", "get", "api_token")["is_secret"] == true)
        #expect(try other.program("variables", "get", "api_token", "--show-secrets").output == "hunter2\n")
        let input = #"{"region": "us", "rows": {"max": 5}, "on": true, "value": {"value": "v"}}"#
        #expect(try other.program("variables", "import", "-", "-a", "skip", input: input).output == "3 variables set\n")
        #expect(try other.program("variables", "get", "region").output == "eu\n")
        #expect(try other.program("variables", "get", "rows").output == "{\"max\":5}\n")
        #expect(try other.program("variables", "get", "on").output == "true\n")
        #expect(try other.program("variables", "get", "value").output == "v\n")
        let refused = try other.program(
            "variables", "import", "-", "-a", "fail", input: #"{"new": "x", "region": "us"}"#)
        #expect(refused.code == 1 && refused.errors.contains("'region' already; nothing was imported"))
        try other.refuses("there is no variable 'new'", "variables", "get", "new")
        for (text, words) in [
            ("{hunter2", "no JSON"), ("[1]", "no JSON object"), (#"{"a b": "hunter2"}"#, "letters, digits"),
            (#"{"a": {"value": "hunter2", "is_secret": 1}}"#, "true or false"),
        ] {
            let wrong = try other.program("variables", "import", "-", input: text)
            #expect(wrong.code == 1 && wrong.errors.contains(words) && !wrong.errors.contains("hunter2"), "\(wrong)")
        }
        try other.refuses("there is no file", "variables", "import", "/nowhere.json")
        try other.refusesUsage("-a", "variables", "import", "-", "-a", "maybe")
    }

    @Test("connections are added in every way, shown without their secrets, replaced and deleted") func connections()
        throws
    {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let program = home.program
        #expect(try program("connections", "list").errors == "no connections\n")
        let add = try program(
            "connections", "add", "orders", "--stdin", "--description", "the shop",
            input: "postgres://me:hunter2@db.example:5432/orders?sslmode=require\n")
        #expect(
            add.output == "orders is added: postgres://me:***@db.example:5432/orders?sslmode=***\n"
                && add.errors.isEmpty,
            "\(add)")
        #expect(
            try program(
                "connections", "add", "parts", "--conn-type", "http", "--host", "h", "--port", "81", "--login", "me",
                "--schema", "s", "--extra", #"{"token": "t0p-secret"}"#, "--stdin", input: "hunter2\n"
            ).code == 0)
        #expect(try program("connections", "add", "address", "--conn-uri", "http://a:hunter2@b").code == 0)
        #expect(
            try program("connections", "add", "object", "--json", #"{"conn_type": "smtp", "password": "hunter2"}"#).code
                == 0)
        for word in ["hunter2", "t0p-secret", "db.example"] {
            #expect(try stored(home).range(of: Data(word.utf8)) == nil)
        }
        for format in ["table", "json", "yaml", "plain"] {
            let shown = try program("connections", "list", "-o", format)
            #expect(shown.code == 0 && shown.output.contains("db.example") && !shown.output.contains("hunter2"))
            #expect(!shown.output.contains("t0p-secret"))
        }
        let row = try home.json("connections", "get", "parts")
        #expect(row["password"] == "***" && row["extra"] == ["token": "***"] && row["port"] == 81)
        #expect(row["host"] == "h" && row["login"] == "me" && row["schema"] == "s" && row["problem"] == .null)
        let open = try home.json("connections", "get", "parts", "--show-secrets")
        #expect(open["password"] == "hunter2" && open["extra"] == ["token": "t0p-secret"])
        try home.refuses("--replace", "connections", "add", "orders", "--uri", "http://x")
        #expect(try program("connections", "add", "orders", "--uri", "http://x", "--replace").code == 0)
        let replaced = try home.json("connections", "get", "orders")
        #expect(replaced["conn_type"] == "http" && replaced["description"] == "the shop")
        let file = home.folder.path + "/out.json"
        #expect(try program("connections", "export", file).errors.contains("4 connections written"))
        #expect(try mode(file) == 0o600)
        let other = try StagedHome()
        defer { other.folder.remove() }
        #expect(try other.program("connections", "import", file).output == "4 connections set\n")
        #expect(try other.json("connections", "get", "parts", "--show-secrets")["password"] == "hunter2")
        #expect(try other.json("connections", "get", "orders")["description"] == "the shop")
        let one = #"{"orders": "ftp://y", "fresh": {"conn_type": "a"}}"#
        #expect(
            try other.program("connections", "import", "-", "-a", "skip", input: one).output == "1 connection set\n")
        #expect(try other.program("connections", "import", "-", "-a", "fail", input: one).code == 1)
        for text in [#"{"a": "hunter2"}"#, #"{"a": 5}"#, #"{"a": {"conn_type": "a", "pasword": "hunter2"}}"#] {
            let wrong = try other.program("connections", "import", "-", input: text)
            #expect(wrong.code == 1 && wrong.errors.contains("the connection 'a'") && !wrong.errors.contains("hunter2"))
        }
        #expect(try program("connections", "delete", "object").output == "object is deleted\n")
        try home.refuses("there is no connection 'object'", "connections", "delete", "object")
        try home.refuses("did you mean 'orders'", "connections", "get", "order")
        let wrong = try program("connections", "add", "w", "--uri", "hunter2")
        #expect(wrong.code == 1 && !wrong.errors.contains("hunter2"), "\(wrong)")
        try home.refuses("no JSON object", "connections", "add", "w", "--conn-type", "a", "--extra", "[]")
        for wrong in [
            ["w"], ["w", "--uri", "a://b", "--json", "{}"], ["w", "--host", "h"],
            ["w", "--uri", "a://b", "--host", "h"],
            ["w", "--uri", "a://b", "--stdin"], ["w", "--conn-type", "a", "--port", "0"], ["a b", "--uri", "a://b"],
            ["w", "--conn-type", "a", "--password", "p", "--stdin"], ["w", "--conn-type", ""],
        ] {
            #expect(try program.run(["connections", "add"] + wrong).code == 64, "\(wrong)")
        }
        #expect(try program("connections", "export").code == 64)
    }

    @Test("another key is named by its id, and nothing is opened by it; a key file that is open to others is refused")
    func keys() throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        #expect(try home.program("connections", "add", "orders", "--uri", "http://me:hunter2@h").code == 0)
        var other = home.program
        let key = try home.program("secrets", "generate-key").lines[0]
        other.environment["PERCH__SECRETS__KEY"] = key
        let refused = try other("connections", "get", "orders")
        #expect(refused.code == 1 && refused.errors.contains("the connection 'orders' is sealed with the key "))
        #expect(!refused.errors.contains("hunter2") && !refused.errors.contains(key))
        let list = try other("connections", "list", "-o", "json")
        #expect(list.code == 0 && list.output.contains("not at hand") && list.output.contains("\"host\":null"))
        #expect(try other("connections", "export", "--stdout").code == 1)
        other.environment["PERCH__SECRETS__KEY"] = "hunter2"
        let garbage = try other("connections", "list")
        #expect(
            garbage.code == 1 && garbage.errors.contains("PERCH__SECRETS__KEY") && !garbage.errors.contains("hunter2"))
        let path = home.folder.path + "/secret.key"
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try home.refuses("chmod 600", "connections", "get", "orders")
        try home.refuses("chmod 600", "variables", "set", "password", "x")
        try FileManager.default.removeItem(atPath: path)
        try home.refuses("there is no key", "connections", "get", "orders")
    }

    @Test("a rotation seals everything anew, can be interrupted, and changes nothing the second time") func rotation()
        async throws
    {
        let home = try StagedHome()
        defer { home.folder.remove() }
        let program = home.program
        for index in 0..<7 {
            #expect(try program("variables", "set", "password_\(index)", "hunter\(index)").code == 0)
        }
        #expect(try program("connections", "add", "orders", "--uri", "http://me:hunter2@h").code == 0)
        let path = home.folder.path + "/secret.key"
        let old = try String(contentsOfFile: path, encoding: .utf8)
        // Interrupted after two transactions of two values each.
        let keys = try KeyPlace(given: nil, path: path)
        _ = try keys.addKey()
        try await home.engine { store in
            let ring = try keys.ring()
            let rotation = Rotation(store, ring, most: 2)
            var report = Rotation.Report()
            let first = try await rotation.step(after: nil, &report)
            _ = try await rotation.step(after: first, &report)
            #expect(report == Rotation.Report(resealed: 4))
        }
        // Both keys open what is half and half.
        for index in 0..<7 {
            #expect(try program("variables", "get", "password_\(index)", "--show-secrets").output == "hunter\(index)\n")
        }
        var steps: [Int] = []
        try await home.engine { store in
            _ = try await Rotation(store, try keys.ring(), most: 3).run { steps.append($0) }
        }
        #expect(steps == [3, 1])
        let newest = try keys.addKey()
        let rotated = try home.json("secrets", "rotate")
        #expect(rotated["key_id"] == .string(newest) && rotated["resealed"] == 8 && rotated["failed"] == [])
        #expect(try home.json("secrets", "rotate")["resealed"] == 0)
        // The old key may go.
        let both = try String(contentsOfFile: path, encoding: .utf8)
        #expect(both.hasSuffix(old) && both.split(separator: "\n").count == 3)
        var alone = program
        alone.environment["PERCH__SECRETS__KEY"] = String(both.prefix { $0 != "\n" })
        #expect(try alone("connections", "get", "orders", "--show-secrets").output.contains("hunter2"))
        #expect(try alone("variables", "get", "password_6", "--show-secrets").output == "hunter6\n")
        // One whose key is lost is named, the others are sealed anew all the same.
        var lost = program
        lost.environment["PERCH__SECRETS__KEY"] = KeyRing.newKey()
        #expect(try lost("variables", "set", "lost_password", "hunter9").code == 0)
        let partly = try program("secrets", "rotate", "--new-key")
        #expect(partly.code == 1 && partly.output.contains("'lost_password'") && !partly.output.contains("hunter9"))
        #expect(partly.errors.contains("1 could not be sealed anew"), "\(partly)")
        #expect(try program("variables", "get", "password_0", "--show-secrets").output == "hunter0\n")
        #expect(try lost("secrets", "rotate", "--new-key").errors.contains("PERCH__SECRETS__KEY"))
        try home.refusesUsage("x", "secrets", "rotate", "x")
    }
}
