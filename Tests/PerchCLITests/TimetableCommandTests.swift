// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Timetables in code, from the command line", .timeLimit(.minutes(2)))
struct TimetableCommandTests {
    @Test("the ticks that code tells are shown and filled, also far ones, and need an engine")
    func timetable() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program("trial-bundle", environment: ["PERCH_HOME": home])
        var engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        var isStopped = false
        defer { if !isStopped { engine.stop() } }

        let shown = try program("dags", "next-execution", "leaps", "-n", "3", "-o", "json")
        guard case .array(let dates) = try JSONValue(parsing: shown.output) else {
            throw RunningEngineError(description: "\(shown)")
        }
        #expect(dates.map { $0["logical_date"] }.contains("2032-02-29T12:00:00Z") && dates.count == 3, "\(dates)")
        #expect(dates[1]["data_interval_start"] == dates[0]["logical_date"])
        let details = try program("dags", "list", "-o", "json")
        #expect(details.output.contains("every leap day at noon"))

        let all = try program("dags", "next-execution", "leaps", "-n", "500", "-o", "json")
        guard case .array(let known) = try JSONValue(parsing: all.output) else {
            throw RunningEngineError(description: "\(all)")
        }
        #expect(known.last?["logical_date"] == "2400-02-29T12:00:00Z")

        let plan = try program("backfill", "create", "leaps", "--from", "2001-01-01", "--to", "2013-01-01", "--dry-run")
        #expect(plan.code == 0, "\(plan)")
        for year in [2004, 2008, 2012] { #expect(plan.output.contains("\(year)-02-29"), "\(plan)") }
        #expect(try program("backfill", "create", "leaps", "--from", "2011-01-01", "--to", "2013-01-01").code == 0)
        // Killed in the middle and started again, it goes on.
        engine.kill()
        engine = try RunningEngine(program, home: home, log: folder.path + "/engine-2.log")
        var states = ""
        for _ in 0..<600 where !states.contains("success") {
            states = try program("dags", "list-runs", "leaps", "-o", "json").output
        }
        #expect(states.contains("success") && states.contains("2012-02-29T12:00:00Z"), "\(states)")

        #expect(engine.stop() == 0)
        isStopped = true
        let stopped = try program("dags", "next-execution", "leaps", "-n", "1", "-o", "json")
        #expect(stopped.code == 0 && stopped.output.contains("-02-29T12:00:00Z"), "\(stopped)")
    }
}
