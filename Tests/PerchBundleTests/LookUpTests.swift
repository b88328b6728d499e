// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle

@Suite("Code asks the engine for connections and variables") struct LookUpTests {
    private let executor = PatientExecutor()
    private let paper = Paper()

    private func host(_ run: @escaping @Sendable (TaskContext) async throws -> String) -> DispatchHost {
        DispatchHost(
            dags: [DAG("d") { dag in dag.task("t") { context in try await run(context) } }], bundleVersion: "v1",
            pid: 77,
            clock: FixedClock(), executor: executor, outbox: paper, generator: { 4 })
    }

    private func tell(_ host: DispatchHost, _ messages: EngineMessage...) -> [BundleMessage] {
        for message in messages { host.handle(message) }
        executor.runAll()
        return paper.take()
    }

    private let order = EngineMessage.run(
        RunOrder(
            dispatchID: 1, taskInstanceID: 1, taskIndex: 0,
            facts: AttemptFacts(
                dagID: "d", runID: "r", taskID: "t", logicalDate: FixedClock().now,
                dataIntervalStart: FixedClock().now, dataIntervalEnd: FixedClock().now)))

    private func answer(_ number: Int64, _ outcome: LookUpAnswer.Outcome) -> EngineMessage {
        .lookedUp(LookUpAnswer(dispatchID: 1, number: number, outcome: outcome))
    }

    @Test("what it is given is masked in what it says and how it fails") func masked() {
        let host = host { context in
            let connection = try await context.connection("perch_test_orders")
            context.log.info("the password is \(connection.password ?? "")")
            throw PerchError(.invalid, "no one likes \(try await context.variable("perch_test_key"))")
        }
        #expect(tell(host, .hello(protocolVersion: 3)).count == 1)
        let asked = tell(host, order)
        #expect(
            asked == [.lookUp(LookUp(dispatchID: 1, number: 1, name: SecretName(.connection, "perch_test_orders")))])
        let found = FoundSecret.connection(Connection(type: "a", password: "hunter2"))
        // An answer to what nobody asked, and one twice, change nothing.
        let next = tell(host, answer(9, .absent), answer(1, .found(found)), answer(1, .absent))
        #expect(next.count == 2)
        guard case .log(1, let lines) = next[0] else { return #expect(Bool(false), "\(next)") }
        #expect(lines.map(\.message) == ["the password is ***"])
        let end = tell(host, answer(2, .found(.variable(Variable("k3y-of-all", isSecret: true)))))
        guard case .result(1, .failure(let message, _, _))? = end.last else { return #expect(Bool(false), "\(end)") }
        #expect(message.contains("no one likes ***"), "\(message)")
    }

    @Test("what is not there, and what cannot be looked up, is an error of its code") func absent() {
        let host = host { context in
            do {
                return try await context.variable("perch_test_none")
            } catch let error as PerchError {
                return "\(error.code.rawValue): \(error.message)"
            }
        }
        _ = tell(host, .hello(protocolVersion: 3), order)
        guard case .result(1, .success(let output, _))? = tell(host, answer(1, .absent)).last else {
            return #expect(Bool(false))
        }
        #expect(output.contains("not_found: there is no variable 'perch_test_none'"), "\(output)")
        #expect(output.contains("PERCH_VAR_PERCH_TEST_NONE") && output.contains("variables set"))
        _ = tell(host, order)
        let away = tell(host, answer(1, .problem(code: "unavailable", message: "the disk is away")))
        guard case .result(1, .success(let other, _))? = away.last else { return #expect(Bool(false)) }
        #expect(other.contains("unavailable: the disk is away"))
    }

    @Test("an older engine is not asked, and a dispatch that is over is answered by nobody") func older() {
        let host = host { context in try await context.variable("perch_test_none") }
        let said = tell(host, .hello(protocolVersion: 2), order)
        guard case .result(1, .failure(let message, _, _))? = said.last else { return #expect(Bool(false), "\(said)") }
        #expect(message.contains("there is no variable 'perch_test_none'"))
        _ = tell(host, .hello(protocolVersion: 3), order)
        let refused = tell(host, .refused(dispatchID: 1))
        #expect(refused == [.result(dispatchID: 1, .cancelled)], "\(refused)")
    }
}
