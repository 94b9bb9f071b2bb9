"""The agent's output as the session's events."""

from __future__ import annotations

from voice_agents.conversation.agent import AgentOutput, ModelUsed, Remark, Token, ToolFinished, ToolStarted
from voice_agents.engines.reporter import Reporter
from voice_agents.errors import Role
from voice_agents.events import AgentText, Notice, ProviderUsed, ToolCalled, ToolReturned


def tell_output(reporter: Reporter, output: AgentOutput) -> None:
    """Tell the page what the agent wrote or did."""
    match output:
        case Token(text=text):
            reporter.emit(AgentText, text=text)
        case ToolStarted(name=name, args=args, call_id=call_id):
            reporter.emit(ToolCalled, name=name, args=args, call_id=call_id)
        case ToolFinished(call_id=call_id, result=result, error=error):
            reporter.emit(ToolReturned, call_id=call_id, result=result, error=error)
        case ModelUsed(input_tokens=read, output_tokens=written):
            reporter.emit(ProviderUsed, role=Role.CHAT, input_tokens=read, output_tokens=written)
        case Remark(text=text):
            reporter.emit(Notice, level="warning", text=text)
