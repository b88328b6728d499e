// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Trigger rules", .onEveryGround)
struct TriggerRuleTests {
    static let ends: [TaskState] = [.success, .failed, .upstreamFailed, .skipped]
    static let rules = TriggerRule.allCases.filter { $0 != .allDoneSetupSuccess }

    /// What the field says of three upstream tasks that have all ended; nil: the task runs. Written from its words, as sets.
    static func known(_ rule: TriggerRule, _ states: [TaskState]) -> TaskState? {
        let kinds = Set(states)
        let failed = !kinds.isDisjoint(with: [.failed, .upstreamFailed])
        switch rule {
        case .always, .allDone: return nil
        case .allSuccess: return kinds == [.success] ? nil : failed ? .upstreamFailed : .skipped
        case .allFailed: return kinds.isSubset(of: [.failed, .upstreamFailed]) ? nil : .skipped
        case .allSkipped: return kinds == [.skipped] ? nil : .skipped
        case .oneSuccess, .allDoneMinOneSuccess:
            return kinds.contains(.success) ? nil : failed ? .upstreamFailed : .skipped
        case .oneFailed: return failed ? nil : .skipped
        case .oneDone: return kinds.isDisjoint(with: [.success, .failed]) ? .skipped : nil
        case .noneFailed: return failed ? .upstreamFailed : nil
        case .noneFailedMinOneSuccess: return failed ? .upstreamFailed : kinds.contains(.success) ? nil : .skipped
        case .noneSkipped: return kinds.contains(.skipped) ? .skipped : nil
        case .allDoneSetupSuccess: return nil
        }
    }

    static var combinations: [[TaskState]] {
        ends.flatMap { a in ends.flatMap { b in ends.map { c in [a, b, c] } } }
    }

    @Test("Whatever the order in which three upstream tasks end, a rule comes to the same end", arguments: rules)
    func orders(rule: TriggerRule) throws {
        var task = TaskDefinition.code("t", after: [0, 1, 2])
        task.triggerRule = rule
        for states in Self.combinations {
            let expected: UpstreamVerdict = Self.known(rule, states).map { .end($0) } ?? .ready
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                var ends = Settlement.Ends()
                var verdict = try UpstreamVerdict.of(task, UpstreamCounts(all: 3, pending: 3))
                for index in order where verdict == .wait {
                    ends.add(states[index])
                    verdict = try UpstreamVerdict.of(task, UpstreamCounts(all: 3, ends))
                }
                #expect(verdict == expected, "\(rule.rawValue) with \(states.map(\.rawValue)) in the order \(order)")
            }
        }
    }

    @Test("A task that comes after nothing runs under every rule", arguments: TriggerRule.allCases)
    func nothingUpstream(rule: TriggerRule) throws {
        var task = TaskDefinition.code("t")
        task.triggerRule = rule
        #expect(try UpstreamVerdict.of(task, UpstreamCounts(all: 0, pending: 0)) == .ready)
    }

    @Test("In the metastore every rule has its known outcome for every combination of three ends")
    func stored() async throws {
        let stage = try await Stage()
        // Upstream of the three: one that fails, so that they can be upstream_failed.
        for (number, states) in Self.combinations.enumerated() {
            var tasks: [TaskDefinition] = [.code("breaks")]
            for (index, state) in states.enumerated() {
                tasks.append(.code("u\(index)", after: state == .upstreamFailed ? [0] : []))
            }
            for rule in Self.rules {
                tasks.append(.code("on_\(rule.rawValue)", after: [1, 2, 3]) { $0.triggerRule = rule })
            }
            let dagID = "d\(number)"
            try await stage.deploy(DAGDefinition(dagID: dagID, tasks: tasks))
            let run = try await stage.trigger(dagID)
            var left = try await stage.claim()
            while !left.isEmpty {
                for task in left {
                    let upstream = ["u0", "u1", "u2"].firstIndex(of: task.key.taskID)
                    let state = task.key.taskID == "breaks" ? .failed : upstream.map { states[$0] } ?? .success
                    switch state {
                    case .failed: try await stage.finish(task, .failure(message: "no", retryable: false))
                    case .skipped: try await stage.finish(task, .skipped(message: "no"))
                    default: try await stage.succeed(task)
                    }
                }
                left = try await stage.claim()
            }
            let ended = try await stage.states(run)
            for rule in Self.rules {
                let expected = Self.known(rule, states) ?? .success
                #expect(ended["on_\(rule.rawValue)"] == expected, "\(rule.rawValue) with \(states.map(\.rawValue))")
            }
            #expect(try await stage.state(run) == .failed)
        }
        #expect(try await stage.faults() == [])
    }
}
