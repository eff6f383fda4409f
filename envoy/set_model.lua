-- Puts the model of this attempt into the request body.
--
-- Runs in the internal listener, once per attempt. The route picked there carries the provider's
-- model id as metadata, so the body names the right model also after a failover to another one,
-- and never "auto" when the sidecar is down.
--
-- The edge listener marks chat requests with x-llm-api; every other request passes unread.

local byte, char, find, gsub, lower, sub =
  string.byte, string.char, string.find, string.gsub, string.lower, string.sub

local QUOTE, BACKSLASH = 34, 92
local OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = 123, 125, 91, 93

-- "model" with every letter written as \uXXXX.
local LONGEST_MODEL_KEY = 30

-- Where the string that opens at `open` closes; nil when it doesn't.
local function closing_quote(text, open)
  local quote = open
  repeat
    quote = find(text, '"', quote + 1, true)
    if quote == nil then return nil end
    local unescaped = quote - 1
    while byte(text, unescaped) == BACKSLASH do unescaped = unescaped - 1 end
  until (quote - unescaped) % 2 == 1
  return quote
end

-- Whether any parser could read this key as "model": once its escapes are decoded, or its letter
-- case ignored, as Go's encoding/json does.
local function reads_as_model(key)
  if find(key, '\\', 1, true) then
    key = gsub(key, '\\u00(%x%x)', function(hex) return char(tonumber(hex, 16)) end)
  end
  return lower(key) == 'model'
end

-- The body with `model` as the value of its top-level "model" key, or nil and what is wrong.
-- Only one reading of that key is let through: parsers disagree about duplicates and about
-- letter case, and a client must not slip a model past the policy between two of them.
local function with_model(text, model)
  local at = find(text, '%S')
  if at == nil or byte(text, at) ~= OPEN_BRACE then return nil, 'the body must be a JSON object' end

  local depth, value_open, value_close = 0, nil, nil
  repeat
    local code = byte(text, at)
    if code == QUOTE then
      local close = closing_quote(text, at)
      if close == nil then return nil, 'the body is not complete JSON' end
      if depth == 1 and close - at - 1 <= LONGEST_MODEL_KEY then
        local key = sub(text, at + 1, close - 1)
        local _, before_value
        if reads_as_model(key) then _, before_value = find(text, '^%s*:%s*', close + 1) end
        if before_value then
          if key ~= 'model' then return nil, "write the key 'model' in lower case, without escapes" end
          if value_open then return nil, "the key 'model' appears more than once" end
          value_open = before_value + 1
          if byte(text, value_open) ~= QUOTE then return nil, "'model' must be a string" end
          value_close = closing_quote(text, value_open)
          if value_close == nil then return nil, 'the body is not complete JSON' end
          close = value_close
        end
      end
      at = close
    elseif code == OPEN_BRACE or code == OPEN_BRACKET then
      depth = depth + 1
    elseif code == CLOSE_BRACE or code == CLOSE_BRACKET then
      depth = depth - 1
    elseif code == nil then
      return nil, 'the body is not complete JSON'
    end
    at = at + 1
  until depth == 0

  if find(text, '%S', at) then return nil, 'there is text after the JSON object' end
  if value_open == nil then return nil, "you must provide a 'model' parameter" end
  return sub(text, 1, value_open) .. model .. sub(text, value_close)
end

local ERROR_BODY = {
  openai = '{"error":{"message":"%s","type":"invalid_request_error","param":"model","code":null}}',
  anthropic = '{"type":"error","error":{"type":"invalid_request_error","message":"%s"}}',
}

function envoy_on_request(handle)
  local api = handle:headers():get('x-llm-api')
  if api == nil then return end

  local encoding = handle:headers():get('content-encoding')
  if encoding and encoding ~= '' and encoding ~= 'identity' then
    handle:respond({[':status'] = '415', ['content-type'] = 'application/json'},
      string.format(ERROR_BODY[api], 'send the body uncompressed'))
    return
  end

  local model = handle:metadata():get('model')
  local buffer = handle:body()
  local body, wrong = with_model(buffer and buffer:getBytes(0, buffer:length()) or '', model)
  if body == nil then
    local reply = string.format(ERROR_BODY[api], wrong)
    handle:respond({[':status'] = '400', ['content-type'] = 'application/json'}, reply)
    return
  end
  buffer:setBytes(body)
  handle:headers():replace('content-length', tostring(#body))
end
