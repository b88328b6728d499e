// SPDX-License-Identifier: Apache-2.0

/// The protocol between the engine and a bundle process, version 4. Any language can speak it. The page "The bundle
/// protocol" of the documentation says more about versions, limits and the journal.
///
/// **Transport.** A stream socket, which is the bundle's standard input when it starts. Each frame is its length in
/// four bytes, most significant first, and then so many bytes of UTF-8: one JSON object whose member `type` names the
/// message. A frame is at most 16 MiB long. Unknown members are ignored. A message of an unknown type is answered with
/// `unknown`, and otherwise ignored. A frame that is too long or is no JSON object ends the connection.
///
/// **Values.** Instants and spans are whole microseconds, instants since 1970 in UTC. What only travels through the
/// engine (outputs, results of steps, events) is JSON text inside a string, which the engine does not look into.
///
/// **Order.** The engine says `hello`, the bundle answers `hello`; the lower one of their two newest versions is spoken.
/// After that the engine sends `describe`, `run`,
/// `cancel` and `drain` at will; any number of dispatches run at once. Every message about a dispatch carries its
/// `dispatch_id`. Each side says its version in `hello`. A bundle of an older version is spoken to as before: one of
/// version 1 hosts no triggers, and one that does not ask for connections is told of none. A dispatch ends with one `deferred` or one `result`; nothing more is said about it afterwards. When the
/// socket hangs up, the bundle process ends at once, with everything that it has started.
///
/// **Engine to bundle**
/// - `hello`: `protocol_version`, the newest that it speaks, and `oldest_version`? (1).
/// - `describe`: answered by `described`.
/// - `tell-ticks` (2): `dag_id`, `after` (an instant), `count`: answered by `ticks`. Asked of DAGs whose schedule is a
///   `timetable`, any time; the same question is asked again after a crash, and where the bundle's version is another.
/// - `run`: `dispatch_id`, `task_instance_id`, `dag_id`, `run_id`, `task_id`, `task_index`, `map_index` (-1: not
///   mapped), `try_number`, `facts` {`logical_date`, `data_interval_start`, `data_interval_end`, `run_type`, `params`},
///   `journal` [{`key`, `kind` `step` or `wait`, `payload`, `outcome`?, `keep`?}], `inputs` [JSON text],
///   `map_element`? (JSON text; both may be references to stored outputs, which begin with a space), `cancel`? {`final_state`, `reason`, `by`}: the dispatch is only there to clean up.
///   `payload` is a step's result, or a wait's trigger {`kind`, `target`, …}, as JSON text. `outcome` is how a wait
///   ended: {`type`: `event`, `payload`: JSON text}, {`type`: `timeout`}, {`type`: `cancelled`, `final_state`,
///   `reason`, `by`} or {`type`: `broken`, `message`}. With `held` (4) it is sent before it is durable that the dispatch is
///   this process's: its code does not run before `begin`, and never after `refused`.
/// - `begin` (4): `dispatch_id`: the code of a dispatch that was `held` is to run.
/// - `recorded`: `dispatch_id`, `key`: the step's result is durable.
/// - `refused`: `dispatch_id`: the dispatch is not the current one any more; its code is to be stopped.
/// - `looked-up` (3): `dispatch_id`, `number`, and what was found: `connection` {`conn_type`, `host`, …}, or `variable`
///   (a text) with `is_secret`, or `secret` (a text); or `problem` with its `code`; or none of these: there is no such thing.
/// - `cancel`: `dispatch_id`, `final_state`, `reason`, `by`, `is_last`: stop the code and run its clean-up. With
///   `is_last` the time for the clean-up is over too.
/// - `host-trigger` (2): `wait_id`, `run`, `kind`, `definition`, `since`, `deadline`?, `failures`, `checkpoint`?,
///   `budget`: run the code of this trigger. `run` tells this hosting of the wait from every other; each message about
///   it carries both. A budget is how long the code may hold its thread (a span; 0: for ever).
/// - `trigger-woken` (2): `wait_id`, `run`, `number`: the sleep of this number is over.
/// - `trigger-stored` (2): `wait_id`, `run`, `number`: the checkpoint of this number is durable.
/// - `end-trigger` (2): `wait_id`, `run`: cancel the code; nothing that it says counts any more.
/// - `clock` (4): `offset`: the engine's instant less the time since the machine was started (`CLOCK_BOOTTIME`), where the engine
///   goes by another clock than its machine's. Said again when that clock was moved.
/// - `drain`: no more `run` will come; the bundle ends when its dispatches have.
/// - `unknown`: `message_type`: what the engine did not understand.
///
/// **Bundle to engine**
/// - `hello`: `protocol_version`, `oldest_version`? (the same), `bundle_version` (changes with every build), `pid`?.
/// - `described`: `bundle_version`, `dags` [the DAG's definition as JSON text], `problems` [one line each],
///   `import_errors`? [{`file`, `line`, `column`?, `message`}]: what is wrong in files from which the bundle reads DAGs,
///   which are left out or as they were before. The version is another one whenever the DAGs may be.
/// - `definition`: `text`, `is_last`: a piece of a DAG's definition that is too long for one frame. The pieces of a
///   DAG follow one another, and all of them go before `described`, which does not repeat that DAG.
/// - `ticks` (2): `dag_id`, `after`, `ticks` [{`at`, `interval_start`, `interval_end`}], each later than the one before
///   and the first later than `after`, `is_last`: there is none any more behind them; or `problem`.
/// - `step`: `dispatch_id`, `key`, `payload` (JSON text), `keep` (a retry inherits it): answered by `recorded` or
///   `refused`.
/// - `deferred`: `dispatch_id`, `key`, `trigger` {`kind`, `target`, `due`? {`at`: text} or {`after`: span},
///   `definition`}, `timeout`? (a span).
/// - `result`: `dispatch_id`, `outcome`: `success` with `output` (JSON text) and `items`? [JSON text], without white space
///   around the texts: a space begins the reference to a file under the home's `outputs`, see `OutputText`; `failure` with
///   `message`, `retryable` and `retry_after`? (a span: the delay before the next try); `skipped` with `message`; `cancelled`.
/// - `log`: `dispatch_id`, `lines` [[instant, `debug`|`info`|`warning`|`error`, text]].
/// - `look-up` (3): `dispatch_id`, `number`, `kind` (`connection`, `variable`, `secret`), `name`: answered by `looked-up` with
///   the same number. What it finds must not be shown: the engine masks it in what the bundle says and prints. Only an
///   engine whose `hello` says 3 or more is asked.
/// - `trigger-sleep` (2): `wait_id`, `run`, `number`, `until` (an instant): answered by `trigger-woken` when it has
///   come.
/// - `trigger-checkpoint` (2): `wait_id`, `run`, `number`, `value` (JSON text): answered by `trigger-stored`.
/// - `trigger-event` (2): `wait_id`, `run`, `event` (JSON text): what was waited for has come. The last word about the
///   run.
/// - `trigger-failed` (2): `wait_id`, `run`, `reason`, `message`: its code threw (`reason` `threw`: it is run again, a
///   bounded number of times), there is no code of this kind (`unknown`: asked again later), or it can never work
///   (`broken`). The last word about the run.
/// - `trigger-held` (2): `wait_id`, `run`, `held` (a span): its code has held its thread for longer than the budget.
/// - `trigger-log` (2): `wait_id`, `run`, `lines`, as of `log`.
/// - `alive`: sent every ten seconds while dispatches run, or triggers that do not sleep.
/// - `unknown`: `message_type`: what the bundle did not understand.
public enum BundleProtocol {
    /// The version that this build speaks.
    public static let version = 4
    /// The oldest version that this build still speaks with a bundle.
    public static let oldestVersion = 1
    /// The first version whose bundles host triggers.
    public static let hostingVersion = 2
    /// The first version whose engines look up connections, variables and secrets.
    public static let secretsVersion = 3
    /// The first version whose bundles hold what they are to run back until they are told to begin.
    public static let holdingVersion = 4
    /// The first version whose bundles are told of the engine's clock.
    public static let clockVersion = 4
    /// The longest frame, in bytes, its length not counted.
    public static let longestFrame = 16 << 20
    /// How much of definitions goes into one frame, in bytes of their text.
    public static let longestPiece = 4 << 20
    /// How often a bundle says `alive` while dispatches run, in seconds.
    public static let alivePeriod = 10
}

/// What the other side of the socket did against the protocol.
public struct BundleProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong, in a sentence.
    public var description: String

    init(_ description: String) { self.description = description }

    static func tooLong(_ length: Int) -> BundleProtocolError {
        BundleProtocolError("a frame of \(length) bytes; at most \(BundleProtocol.longestFrame) are allowed")
    }
}
