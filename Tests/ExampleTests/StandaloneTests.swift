// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Starting and stopping a standalone", .timeLimit(.minutes(2)))
struct StandaloneTests {
    @Test("a second engine on a home is refused, and names the first one's process")
    func second() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program("quickstart", environment: ["PERCH_HOME": home, "QUICKSTART_PORT": "30001"])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        let refused = try program("standalone")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("\(engine.pid)"), "\(refused.errors)")
        #expect(refused.errors.split(separator: "\n").count == 1)
        let info = try JSONValue(parsing: try program("info", "-o", "json").output)
        #expect(info["engine_pid"] == .integer(Int64(engine.pid)))
        #expect(engine.stop() == 0)
        #expect(try JSONValue(parsing: try program("info", "-o", "json").output)["engine"] == "not running")
    }

    @Test("a wrong setting is refused before anything is made")
    func settings() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program("quickstart", environment: ["PERCH_HOME": home, "PERCH__CORE__PARALELISM": "3"])
        let refused = try program("standalone")
        #expect(refused.code == 1 && refused.errors.contains("PERCH__CORE__PARALELISM"), "\(refused)")
        #expect(!FileManager.default.fileExists(atPath: home))
    }

    @Test("a bundle with mistakes in its declarations is refused, a line with file and line for each")
    func faulty() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let refused = try Program("faulty-bundle")("standalone", "--home", folder.path + "/home")
        #expect(refused.code == 1)
        let lines = refused.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
        #expect(lines.count >= 5, "\(refused.errors)")
        for (line, place) in [
            ("61", 9), ("'a'", 11), ("b c", 13), ("'twice'", 14), ("nothing", 14),
        ] {
            #expect(
                lines.contains { $0.contains("Faulty.swift:\(place):") && $0.contains(line) },
                "\(line) at \(place) in \(refused.errors)")
        }
        // The command line stays usable.
        // Nothing has changed: the home that was made for it is gone again.
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/home"))
        let list = try Program("faulty-bundle")("dags", "list", "--home", folder.path + "/home")
        #expect(list.code == 1 && list.errors.contains("there is no metastore"), "\(list)")
    }
}
