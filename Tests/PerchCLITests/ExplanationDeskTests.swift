// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Questions to triggerers", .timeLimit(.minutes(1)))
struct ExplanationDeskTests {
    @Test("Many who ask a triggerer that hangs are answered within the time of one, and further ones at once")
    func hanging() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let silent = try InspectionDouble(folder.path + "/inspect-1")
        let desk = ExplanationDesk { [path = silent.path] in [path] }
        let start = ContinuousClock.now
        let (silences, refusals) = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    do {
                        return try await desk.ask(7) == nil
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(into: (0, 0)) { if $1 { $0.0 += 1 } else { $0.1 += 1 } }
        }
        #expect(silences == 16 && refusals == 24)
        // One after the other they would take half a minute.
        #expect(ContinuousClock.now - start < .seconds(15))
        // Those threads are free again.
        #expect(try await desk.ask(7) == nil)
    }

    @Test("Nobody is asked where nobody listens, and a socket that is gone is no answer")
    func nobody() async throws {
        #expect(try await ExplanationDesk { [] }.ask(1) == nil)
        #expect(try await ExplanationDesk { ["/nowhere/inspect-1"] }.ask(1) == nil)
    }
}
