// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Testing

@Suite("Wrong usage and missing homes")
struct UsageTests {
    @Test(
        "wrong arguments are one clear line and exit code 64",
        arguments: [
            "nope", "dags nope", "dags list --nope", "dags details", "dags trigger", "dags trigger x --params {",
            "dags trigger x --params 3", "dags pause", "dags next-execution x -n 0", "dags list -o xml",
            "runs list --state x", "runs list --limit 0", "runs details x", "runs cancel", "tasks list",
            "tasks states x",
            "tasks states x y --state z", "tasks clear x", "tasks clear x y --map-index 3",
            "tasks clear x y --downstream",
            "tasks logs x y", "tasks logs x y z --try 0", "tasks logs x y z --map-index -2", "deferred list --limit 0",
            "deferred list --sort name", "deferred list --older-than soon", "deferred list --due-within 3",
            "deferred extend", "deferred extend 1", "deferred extend x --by 1m", "deferred extend 1 --by 0s",
            "deferred extend 1 --by 1x", "deferred extend 1 --until never", "deferred extend 1 --by 1m --no-deadline",
            "deferred forecast --within 0s", "deferred forecast --within x", "deferred forecast --buckets 0",
            "deferred forecast --buckets 1001", "approvals list --limit 0", "approvals show x", "approvals answer 1",
            "approvals answer 1 --approve --reject", "approvals answer 1 --approve --set x",
            "approvals answer 1 --approve --by=",
            "db migrate --to 0", "db migrate --to 99", "db migrate --to x", "triggerer --listen x",
            "deferred show x", "deferred explain", "deferred fire 1 --payload {", "deferred cancel", "events emit",
            "events emit x --stdin", "events emit x --payload {", "events list --limit -1", "db", "db backup",
            "config list --set x", "init", "init 1x", "init a-b", "init main", "init Perch", "init a/b", "version x",
            "standalone --set core.parallelism=0", "standalone x", "dags test", "dags test x --params 3",
            "tasks test x",
            "tasks test x y --input z", "config get-value", "config get-value a b c", "dags trigger x --conf 3",
            "deferred list --kind files", "tasks logs x y z --follow -o json", "variables export - --stdout",
            "tasks render x", "tasks render x y --params 3", "tasks render x y z --conf {}",
        ])
    func wrongUsage(line: String) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let program = Program("perch", environment: ["PERCH_HOME": folder.path + "/home"])
        let outcome = try program.run(line.split(separator: " ").map(String.init))
        // A group without a command shows its help.
        if line == "db" {
            #expect(outcome.code == 0)
            return
        }
        #expect(outcome.code == 64, "\(outcome)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("error: "))
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/home"))
    }

    @Test(
        "what is wrong in an argument points to the help of the command that was meant, wherever it is found",
        arguments: [
            ("dags trigger x --params {", "dags trigger"), ("dags trigger x --logical-date x", "dags trigger"),
            ("tasks logs x y", "tasks logs"), ("tasks states-for-dag-run x", "tasks states-for-dag-run"),
            ("dags nope", "dags"), ("nope", ""), ("deferred list --kind files", "deferred list"),
            ("config list --set x", "config list"), ("dags list --nope", "dags list"),
        ])
    func hints(line: String, command: String) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let program = Program("perch", environment: ["PERCH_HOME": folder.path + "/home"])
        let outcome = try program.run(line.split(separator: " ").map(String.init))
        let help = (["perch"] + command.split(separator: " ") + ["--help"]).joined(separator: " ")
        #expect(outcome.code == 64 && outcome.errors.hasSuffix("(see `\(help)`)\n"), "\(outcome)")
        #expect(try program.run(help.split(separator: " ").dropFirst().map(String.init)).code == 0)
    }

    @Test(
        "a command or a value that there is not is answered with what was meant",
        arguments: [
            ("dags trigerr x", "there is no command 'dags trigerr'; did you mean 'trigger'?"),
            ("dag list", "there is no command 'dag'; did you mean 'dags'?"),
            (
                "tasks run x y z",
                "there is no command 'tasks run'; here it is `perch tasks test` (see `perch tasks --help`)"
            ),
            ("dags backfill x --from y", "here it is `perch backfill create`"),
            ("webserver", "here it is `perch standalone`"),
            ("pools set x -1", "'-1' is taken for an option; it is written --name=-1, or -- -1 at the end"),
            ("pools set x -- -1", "a pool has 0 slots or more, not -1"),
            ("tasks clear x y --map-index -3 --task z", "--name=-3"),
            ("db upgrade", "here it is `perch db migrate`"),
            ("pools zz", "there are delete, export, get, import, list, set"),
        ])
    func unknownCommands(line: String, words: String) throws {
        let outcome = try Program("perch").run(line.split(separator: " ").map(String.init))
        #expect(outcome.code == 64 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }

    @Test("what other commands are called here are commands") func elsewhere() throws {
        for line in [
            "standalone", "triggerer list", "assets", "deferred list", "deferred fire", "tasks test", "tasks clear",
            "backfill create", "dags trigger", "dags list-import-errors", "db migrate", "pools set", "variables set",
            "connections add", "config get-value",
        ] {
            let outcome = try Program("perch").run(line.split(separator: " ").map(String.init) + ["--help"])
            #expect(outcome.code == 0 && outcome.output.contains("USAGE: perch \(line)"), "\(outcome)")
        }
    }

    @Test(
        "a command neither makes nor migrates a metastore, and says what does",
        arguments: [
            "dags list", "dags details x", "dags trigger x", "dags pause x", "dags unpause x", "dags next-execution x",
            "runs list", "runs details x y", "runs cancel x y", "tasks list x", "tasks states x y",
            "tasks clear x y -y",
            "tasks logs x y z", "deferred list", "deferred show 1", "deferred explain 1", "deferred fire 1",
            "deferred cancel 1", "deferred extend 1 --by 1m", "deferred forecast", "approvals list", "approvals show 1",
            "approvals answer 1 --approve", "events emit x", "events list", "events show 1",
            "db check", "db backup /tmp/never",
        ])
    func missingHome(line: String) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let outcome = try Program("perch").run(line.split(separator: " ").map(String.init) + ["--home", home])
        #expect(outcome.code == 1)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(home) && outcome.errors.contains("perch standalone"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(!FileManager.default.fileExists(atPath: home))
    }

    @Test("one setting is a line; one that is not set or not there is an error that says so")
    func settings() throws {
        let program = Program("perch", environment: ["PERCH_HOME": "/nowhere", "PERCH__API__TOKEN": "hidden-one"])
        #expect(try program("config", "get-value", "core.parallelism").lines == ["32"])
        #expect(try program("config", "get-value", "outputs", "max_size").lines == ["16MiB"])
        #expect(
            try program("config", "get-value", "outputs.inline_size", "--set", "outputs.inline_size=1KiB").lines == [
                "1KiB"
            ])
        #expect(try program("config", "get-value", "api.token").lines == ["(secret)"])
        for (name, part) in [("retention.runs_days", "not set"), ("core.paralelism", "core.parallelism")] {
            let outcome = try program("config", "get-value", name)
            #expect(outcome.code == 1 && outcome.output.isEmpty && outcome.errors.contains(part), "\(outcome)")
        }
    }

    @Test("help goes to standard output and is no error")
    func help() throws {
        let outcome = try Program("perch")("help")
        #expect(outcome.code == 0)
        for command in ["standalone", "dags", "runs", "tasks", "deferred", "events", "db", "config", "init", "info"] {
            #expect(outcome.output.contains("  \(command) "))
        }
        #expect(!outcome.output.contains("bundle-host"))
        #expect(try Program("perch")("version").lines == ["0.1.0"])
    }

    @Test("a file that is no metastore is refused by every command, and left as it is")
    func garbage() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let file = URL(filePath: folder.path + "/perch.db")
        let garbage = Data("this is no database, but long enough to be looked at as one".utf8)
        try garbage.write(to: file)
        for command in [["dags", "list"], ["standalone"], ["db", "migrate"], ["db", "check"]] {
            let outcome = try Program("perch").run(command + ["--home", folder.path])
            #expect(outcome.code == 1, "\(command) \(outcome)")
            #expect(outcome.errors.contains("perch.db"), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
            #expect(try Data(contentsOf: file) == garbage)
        }
    }

    @Test("a home that cannot be made is one clear line")
    func unwritable() throws {
        for command in [["standalone"], ["db", "migrate"]] {
            let outcome = try Program("perch").run(command + ["--home", "/proc/nowhere"])
            #expect(outcome.code == 1)
            #expect(outcome.errors.contains("/proc/nowhere"))
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
    }

    @Test("init makes a project once, and refuses a directory that holds something")
    func initialise() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let made = try Program("perch")("init", "orders", in: folder.path)
        #expect(made.code == 0, "\(made)")
        let manifest = try String(contentsOfFile: folder.path + "/orders/Package.swift", encoding: .utf8)
        #expect(manifest.contains(".package(path: \""))
        for file in ["Sources/orders/orders.swift", "Tests/ordersTests/ordersTests.swift", "README.md", ".gitignore"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/orders/\(file)"))
        }
        let again = try Program("perch")("init", "orders", in: folder.path)
        #expect(again.code == 1)
        #expect(again.errors.contains("not empty"))
        let nowhere = try Program("perch")("init", "other", "--perch-path", "/nowhere", in: folder.path)
        #expect(nowhere.code == 1)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/other"))
    }
}
